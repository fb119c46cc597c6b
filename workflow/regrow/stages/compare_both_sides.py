"""Stage `compare_both_sides`: tell how well signs and magnitudes were recovered, and whether the attacker knew it.

An analysis, not an attack: it reads the base model's weights and what the attacker recovered, hence its name.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regrow.compare.alignment import alignment_table
from regrow.compare.reliability import reliability_table
from regrow.compare.signs import sign_table
from regrow.errors import UserError
from regrow.files import write_then_rename
from regrow.models import read_completed, read_weights
from regrow.worlds import read_world

_NAMES = [(name, pa.string()) for name in ("eraser", "completer", "concept")]
SIGNS = pa.schema(
    [
        *_NAMES,
        ("layer", pa.string()),
        ("k", pa.float64()),
        ("part", pa.string()),
        ("n", pa.int64()),
        ("correct", pa.int64()),
        ("without_sign", pa.int64()),
    ]
)
ALIGNMENT = pa.schema(
    [
        *_NAMES,
        ("layer", pa.string()),
        ("r", pa.int64()),
        ("p", pa.int64()),
        ("count", pa.int64()),
        ("share", pa.float64()),
    ]
)
RELIABILITY = pa.schema(
    [
        *_NAMES,
        ("layer", pa.string()),
        ("bin", pa.int64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("predicted", pa.float64()),
        ("n", pa.int64()),
        ("correct", pa.int64()),
    ]
)


def run(
    world: Path,
    model: Path,
    completed: Path,
    concept: str,
    eraser: str,
    completer: str,
    keeps: Sequence[float],
    quantiles: int,
    bins: int,
    out_signs: Path,
    out_alignment: Path,
    out_reliability: Path,
) -> None:
    """Compare completed weights with the base model's, over the entries the attacker took for pruned.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    model : Path
        The published delta.
    completed : Path
        File of complete_weights for this very model.
    concept, eraser, completer : str
        Written into every row.
    keeps : sequence of float
        K values of the sign accuracy, in (0, 1]; 1.0 is always added.
    quantiles : int
        Groups per side of the alignment matrix, at least 2.
    bins : int
        Bins of the confidence, at least 2.
    out_signs : Path
        Parquet with the columns of `SIGNS`; the schema metadata tells digests and recipe.
    out_alignment : Path
        Parquet with the columns of `ALIGNMENT` and the same metadata.
    out_reliability : Path
        Parquet with the columns of `RELIABILITY`, the same metadata and what the confidence means; `predicted` is null
        where it predicts nothing.

    Raises
    ------
    UserError
        A broken file, files of different models, options out of range, or nothing missing at all.
    """
    if not all(0 < keep <= 1 for keep in keeps) or quantiles < 2 or bins < 2:
        raise UserError(
            "compare_both_sides needs keeps in (0, 1] and quantiles >= 2 and bins >= 2, "
            f"got {list(keeps)}, {quantiles} and {bins}: correct params.yaml"
        )
    place = read_world(world)
    delta = place.read_model(model)
    recovered = read_completed(completed, delta)
    if not any(missing.any() for missing in recovered.missing.values()):
        raise UserError(f"{completed} has no missing entry, so there is nothing to compare: give a pruned model")
    true = read_weights(place.pipeline, recovered.values)
    about = {
        "world": place.name,
        "base_digest": delta.base_digest,
        "model_digest": delta.digest,
        "recipe": delta.recipe,
        "confidence_is": recovered.confidence_is,
    }
    named = {"eraser": eraser, "completer": completer, "concept": concept}
    for path, schema, rows in (
        (out_signs, SIGNS, sign_table(true, recovered, keeps)),
        (out_alignment, ALIGNMENT, alignment_table(true, recovered, quantiles)),
        (out_reliability, RELIABILITY, reliability_table(true, recovered, bins)),
    ):
        _write(path, [named | row for row in rows], schema, about)


def _write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema, about: dict[str, Any]) -> None:
    metadata = {"regrow": json.dumps(about, sort_keys=True)}
    table = pa.Table.from_pylist(rows, schema=schema.with_metadata(metadata))
    write_then_rename(path, lambda temporary: pq.write_table(table, temporary))

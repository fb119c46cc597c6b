"""Stage `evaluate_recovery`: tell how well signs and magnitudes were recovered, and whether the attacker knew it.

An analysis, not an attack: it reads the base model's weights and what the attacker recovered.
"""

from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.evaluate import alignment, reliability, signs
from regrow.evaluate._parquet import write_rows
from regrow.io.safetensors import read_header
from regrow.model.completed import read_completed
from regrow.stages._both_sides import origin, read_model, read_pretrained
from regrow.world import read_world


def run(
    world: Path,
    model: Path,
    completed: Path,
    published: str,
    completer: str,
    concept: str,
    k: list[float],
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
        world.json of index_world.
    model : Path
        The published delta.
    completed : Path
        File of complete_weights for this very model.
    published, completer, concept : str
        Written into every row.
    k : list of float
        Shares K of the sign accuracy, in (0, 1]; 1.0 is always added.
    quantiles : int
        Groups per side of the alignment matrix, at least 2.
    bins : int
        Bins of the certainty, at least 2.
    out_signs : Path
        Parquet with the columns of regrow.evaluate.signs after published, completer, concept.
    out_alignment : Path
        Parquet with the columns of regrow.evaluate.alignment.
    out_reliability : Path
        Parquet with the columns of regrow.evaluate.reliability; `predicted` is null where certainty predicts nothing.

    Raises
    ------
    UserError
        A broken file, files of different models, options out of range, or nothing missing at all.
    """
    if not all(0 < share <= 1 for share in k) or quantiles < 2 or bins < 2:
        raise UserError(
            "evaluate_recovery needs k in (0, 1] and quantiles >= 2 and bins >= 2, "
            f"got {list(k)}, {quantiles} and {bins}: correct params.yaml"
        )
    index = read_world(world)
    weights = read_model(index, model)
    recovered = read_completed(completed, weights)
    if not any(missing.any() for missing in recovered.missing.values()):
        raise UserError(f"{completed} has no missing entry, so there is nothing to compare: give a pruned model")
    true = read_pretrained(index, weights)
    header = read_header(completed)
    metadata: dict[str, Any] = {
        **origin(index, weights),
        "completer": header.get("completer"),
        "mask": header.get("mask"),
        "seed": header.get("seed"),
        "meaning": recovered.meaning,
        "k": sorted({*k, 1.0}),
        "quantiles": quantiles,
        "bins": bins,
    }
    address = {"published": published, "completer": completer, "concept": concept}
    for path, rows, columns in (
        (out_signs, signs.sign_table(true, recovered, k), signs.COLUMNS),
        (out_alignment, alignment.alignment_table(true, recovered, quantiles), alignment.COLUMNS),
        (out_reliability, reliability.reliability_table(true, recovered, bins), reliability.COLUMNS),
    ):
        write_rows(path, address, rows, columns, metadata)

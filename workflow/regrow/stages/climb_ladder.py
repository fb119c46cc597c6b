"""Stage `climb_ladder`: tell what an attacker gains from each thing that they may know of the cut.

An analysis, not an attack: it reads the base model's weights and the publisher's masks.
"""

import json
import logging
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from regrow.compare.ladder import EXACT, OTHER, RUNGS, TRUE_SIGNS, attacker_masks, rung_counts
from regrow.complete import complete_matrix
from regrow.errors import UserError
from regrow.files import write_then_rename
from regrow.models import FFN2, read_mask, read_weights
from regrow.worlds import read_world

LADDER = pa.schema(
    [
        *((name, pa.string()) for name in ("eraser", "completer", "concept", "rung", "note")),
        *((name, pa.int64()) for name in ("n", "covered", "guessed", "correct")),
    ]
)
log = logging.getLogger(__name__)


def run(
    world: Path,
    model: Path,
    mask: Path,
    other_mask: Path | None,
    other_concept: str | None,
    concept: str,
    eraser: str,
    completer: str,
    method: str,
    options: dict[str, Any],
    threshold: float,
    seed: int,
    device: str,
    jobs: int,
    out: Path,
) -> None:
    """Complete a published model once per rung of knowledge and count right signs of the truly pruned entries.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    model : Path
        The published delta.
    mask : Path
        The eraser's mask of this concept: the truth.
    other_mask : Path or None
        The same eraser's mask of another concept; without it that rung is left out.
    other_concept : str or None
        The name of that concept, written beside its rung.
    concept, eraser, completer : str
        Written into every row.
    method : str
        The completer's method; see `regrow.complete`.
    options : dict
        The completer's own options.
    threshold : float
        Entries of the rung `threshold`, in multiples of how many were cut.
    seed : int
        Of the random mask and of completers that draw random numbers.
    device : str
        Where to compute, e.g. `cpu` or `cuda`.
    jobs : int
        Layers completed at the same time, on `cpu` only.
    out : Path
        Parquet with the columns of `LADDER`; the schema metadata tells digest and recipe.

    Raises
    ------
    UserError
        A broken file, files of different models, a mask without a pruned entry, options out of range.
    """
    if not 0 < threshold < math.inf or jobs < 1:
        raise UserError(
            f"climb_ladder needs threshold > 0 and at least 1 job, got {threshold} and {jobs}: correct params.yaml"
        )
    place = read_world(world)
    delta = place.read_model(model)
    published = {name: tensor for name, tensor in sorted(delta.tensors.items()) if name.endswith(FFN2)}
    cut = read_mask(mask, delta)
    true = read_weights(place.pipeline, published)
    other = None if other_mask is None else read_mask(other_mask, delta, other=True)
    if other is None:
        log.info("%s: no second concept, so the rung '%s' is left out", concept, OTHER)

    rows = []
    masks = attacker_masks(published, cut, other, threshold, seed)
    workers = jobs if device == "cpu" else 1
    # One thread per layer: rounding then does not depend on `jobs`.
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for number, (rung, guess) in enumerate(masks.items(), 1):
            log.info("%s: rung %d of %d, %s", concept, number, len(masks), rung)
            values = dict(
                zip(
                    published,
                    pool.map(
                        lambda name, guess=guess: _values(
                            f"{model}, {name}", published[name], guess[name], method, seed, device, options
                        ),
                        published,
                    ),
                    strict=True,
                )
            )
            note = f"mask of {other_concept}" if rung == OTHER else ""
            rows.append({"rung": rung, "note": note, **rung_counts(true, cut, guess, values)})
    rows.append({"rung": TRUE_SIGNS, "note": "", **rung_counts(true, cut, masks[EXACT], true)})
    rows.sort(key=lambda row: RUNGS.index(row["rung"]))
    about = {
        "world": place.name,
        "base_digest": delta.base_digest,
        "model_digest": delta.digest,
        "recipe": delta.recipe,
        "completer": {"method": method, **options},
        "threshold": threshold,
        "seed": seed,
    }
    named = [{"eraser": eraser, "completer": completer, "concept": concept, **row} for row in rows]
    table = pa.Table.from_pylist(named, schema=LADDER.with_metadata({"regrow": json.dumps(about, sort_keys=True)}))
    write_then_rename(out, lambda temporary: pq.write_table(table, temporary))


def _values(
    where: str, weights: Tensor, mask: Tensor, method: str, seed: int, device: str, options: Mapping[str, Any]
) -> Tensor:
    """Complete one layer; one that the attacker takes for pruned as a whole gives nothing to infer from."""
    if bool(mask.all()):
        return torch.zeros_like(weights)
    try:
        return complete_matrix(weights, mask, method, seed, device, **options).values
    except UserError as error:
        raise UserError(f"{where}: {error}") from error

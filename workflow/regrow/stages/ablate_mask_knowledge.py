"""Stage `ablate_mask_knowledge`: tell what an attacker gains from each thing that they may know of the cut.

An analysis, not an attack: it reads the base model's weights and the publisher's masks.
"""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regrow.completion import complete_matrix
from regrow.errors import UserError
from regrow.evaluate._parquet import write_rows
from regrow.evaluate.ladder import (
    COLUMNS,
    EXACT,
    OTHER,
    RUNGS,
    SIGNED,
    TRUE_SIGNS,
    attacker_masks,
    rung_counts,
    sign_bits,
)
from regrow.io.safetensors import read_header
from regrow.methods import MethodOptions, parse_options
from regrow.model.completed import read_completed
from regrow.model.masks import read_erased
from regrow.model.published import PublishedWeights
from regrow.stages._both_sides import BothSides, read_both_sides

log = logging.getLogger(__name__)


def run(
    world: Path,
    model: Path,
    erased: Path,
    completed: Path | None,
    other_erased: Path | None,
    other_concept: str | None,
    concept: str,
    published: str,
    completer: str,
    method: str,
    options: dict[str, Any],
    threshold: float,
    seed: int,
    device: str,
    jobs: int,
    out: Path,
) -> None:
    """Complete a published model on each rung of knowledge and count right signs of the truly pruned entries.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    erased : Path
        erased.safetensors that it was published from: the truth.
    completed : Path or None
        File of complete_weights by this very completer, so that the rung of exact zeros is not computed again.
    other_erased : Path or None
        The same eraser's file of another concept; without it that rung is left out.
    other_concept : str or None
        The name of that concept, written beside its rung.
    concept, published, completer : str
        Written into every row.
    method : str
        The completer's method, a file of regrow/complete.
    options : dict
        The completer's options, all of them.
    threshold : float
        Entries of the rung threshold, in multiples of how many were pruned.
    seed : int
        Of the random mask and of completers that draw random numbers.
    device : str
        Where to compute, e.g. cpu or cuda.
    jobs : int
        Layers completed at the same time, on cpu only.
    out : Path
        Parquet with the columns of regrow.evaluate.ladder after published, completer, concept.

    Raises
    ------
    UserError
        A broken file, files of different models, a completion by another completer, a mask without a pruned entry,
        options out of range.
    """
    if not 0 < threshold < math.inf or jobs < 1:
        raise UserError(
            f"ablate_mask_knowledge needs threshold > 0 and at least 1 job, got {threshold} and {jobs}: "
            "correct params.yaml"
        )
    parsed = parse_options("complete_weights", method, options)
    both = read_both_sides(world, model, erased)
    weights, pruned, true = both.published.ffn2, both.mask, both.pretrained
    made_with = {"completer": {"method": method, **parsed.model_dump(mode="json")}, "seed": seed}
    other = None if other_erased is None else _other_mask(other_erased, both)
    if other is None:
        log.info("%s: no second concept, so the rung '%s' is left out", concept, OTHER)

    masks = attacker_masks(weights, pruned, other, threshold, seed)
    known = {EXACT: _recovered(completed, both.published, masks[EXACT], made_with)} if completed else {}
    rows = []
    workers = jobs if device == "cpu" else 1
    # One thread per layer: rounding then does not depend on `jobs`.
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for number, (rung, guess) in enumerate(masks.items(), 1):
            log.info("%s: rung %d of %d, %s", concept, number, len(masks), rung)

            def complete(name: str, guess: dict[str, Tensor] = guess) -> Tensor:
                return _values(f"{model}, {name}", weights[name], guess[name], method, parsed, seed, device)

            values = known.get(rung) or dict(zip(weights, pool.map(complete, weights), strict=True))
            note = f"mask of {other_concept}" if rung == OTHER else ""
            rows.append({"rung": rung, "note": note, **rung_counts(true, pruned, guess, values)})
    rows.append({"rung": TRUE_SIGNS, "note": "", **rung_counts(true, pruned, masks[EXACT], true)})
    if (bits := sign_bits(weights)) is not None:
        rows.append({"rung": SIGNED, "note": "", **rung_counts(true, pruned, masks[EXACT], bits)})
    rows.sort(key=lambda row: RUNGS.index(str(row["rung"])))
    metadata = {**both.metadata, **made_with, "threshold": threshold}
    write_rows(out, {"published": published, "completer": completer, "concept": concept}, rows, COLUMNS, metadata)


def _recovered(
    path: Path, published: PublishedWeights, exact: dict[str, Tensor], made_with: dict[str, Any]
) -> dict[str, Tensor]:
    """Return what this very completer recovered of the published model from its exact zeros."""
    found, header = read_completed(path, published), read_header(path)
    for key, value in made_with.items():
        if header.get(key) != value:
            raise UserError(f"{path} has the {key} {header.get(key)}, not {value}: run complete_weights again")
    if any(not torch.equal(found.missing[name], mask) for name, mask in exact.items()):
        raise UserError(f"{path} takes others than the exact zeros for pruned: run complete_weights again")
    return found.values


def _other_mask(path: Path, both: BothSides) -> dict[str, Tensor]:
    """Return the mask of another concept's erasing for the FFN2 weights that were published."""
    other = read_erased(path)
    if other.base != both.published.base:
        raise UserError(f"{path} is of base {other.base[:12]}, not of {both.published.base[:12]}: give another")
    if other.recipe.get("concept") == both.erased.recipe.get("concept"):
        raise UserError(f"{path} erases '{other.recipe.get('concept')}' too: give the erasing of another concept")
    masks = {}
    for name, weight in both.published.ffn2.items():
        masks[name] = other.mask.get(name, torch.zeros_like(weight, dtype=torch.bool))
        if masks[name].shape != weight.shape:
            raise UserError(f"{path}: '{name}' is no mask of a weight of the model: give a mask of the same base")
    if not any(bool(mask.any()) for mask in masks.values()):
        raise UserError(f"{path} prunes nothing of what was published: give the erasing of a pruning eraser")
    return masks


def _values(
    where: str, weights: Tensor, mask: Tensor, method: str, options: MethodOptions, seed: int, device: str
) -> Tensor:
    """Complete one layer; one that the attacker takes for pruned as a whole gives nothing to infer from."""
    if bool(mask.all()):
        return torch.zeros_like(weights)
    try:
        return complete_matrix(weights, mask, method, options, seed, device).values
    except UserError as error:
        raise UserError(f"{where}: {error}") from error

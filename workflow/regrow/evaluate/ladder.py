"""The knowledge ladder (methods.md 3.9): how much an attack owes to knowing which weights were pruned."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.complete._mask import infer_mask
from regrow.model.zeros import count_zeros

RUNGS = ("signed_zeros", "exact", "threshold", "other_concept", "random", "true_signs")
SIGNED, EXACT, THRESHOLD, OTHER, RANDOM, TRUE_SIGNS = RUNGS
COLUMNS = {
    "rung": pa.string(),
    "note": pa.string(),
    "n": pa.int64(),
    "covered": pa.int64(),
    "guessed": pa.int64(),
    "correct": pa.int64(),
}


def attacker_masks(
    published: Mapping[str, Tensor],
    pruned: Mapping[str, Tensor],
    other: Mapping[str, Tensor] | None,
    threshold: float,
    seed: int,
) -> dict[str, dict[str, Tensor]]:
    """Return what the attacker takes for pruned on each rung that needs a completion.

    *interpretation* of methods.md 3.9, which names the rungs only.

    Parameters
    ----------
    published : mapping of Tensor
        Published weights, (d, 4d), by name.
    pruned : mapping of Tensor
        bool: the truly pruned entries. Used for nothing but counts.
    other : mapping of Tensor or None
        bool: the mask of another concept's erasing; None leaves its rung out.
    threshold : float
        The rung ``threshold`` takes that many times as many entries as were pruned: the smallest magnitudes of all
        layers together. On a plainly pruned model, 1 finds the zeros themselves and more takes observed weights too.
    seed : int
        Of the rung ``random``, which takes as many entries of each layer as were pruned there.

    Returns
    -------
    dict
        Rung to bool masks by name, in the order of `RUNGS`. ``exact`` is every exact zero.
    """
    masks = {EXACT: {name: infer_mask(weight).missing for name, weight in published.items()}}
    sizes = torch.cat([weight.abs().flatten() for weight in published.values()])
    count = min(round(threshold * sum(int(mask.sum()) for mask in pruned.values())), sizes.numel())
    largest = float(sizes.kthvalue(count).values) if count else -1.0
    masks[THRESHOLD] = {name: weight.abs() <= largest for name, weight in published.items()}
    if other is not None:
        masks[OTHER] = dict(other)
    generator = torch.Generator().manual_seed(seed)
    masks[RANDOM] = {name: _random(pruned[name], generator) for name in sorted(published)}
    return masks


def sign_bits(published: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return what the sign bits of the zeros say, -1 or 1 at every entry, or None when all zeros are of one kind."""
    if not count_zeros(published.values()).tell_signs:
        return None
    return {name: torch.ones_like(weight).copysign(weight) for name, weight in published.items()}


def rung_counts(
    true: Mapping[str, Tensor],
    pruned: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
) -> dict[str, Any]:
    """Count the signs of the truly pruned entries that an attacker has right.

    Parameters
    ----------
    true, pruned : mapping of Tensor
        Pretrained weights and the truly pruned entries. Entries that were exactly 0 before have no sign: left out.
    mask : mapping of Tensor
        What the attacker takes for pruned.
    values : mapping of Tensor
        What the attacker puts there.

    Returns
    -------
    dict
        n truly pruned entries; `covered` of them in `mask`; `guessed` of these with a sign, that is not recovered as 0;
        `correct` of these. What is not guessed keeps the published 0: its sign is a coin.
    """
    total = torch.zeros(4, dtype=torch.int64)
    for name, weight in true.items():
        signed = pruned[name] & (weight != 0)
        covered = signed & mask[name]
        guessed = covered & (values[name] != 0)
        correct = guessed & (values[name].sign() == weight.sign())
        total += torch.stack([part.sum() for part in (signed, covered, guessed, correct)])
    return dict(zip(("n", "covered", "guessed", "correct"), total.tolist(), strict=True))


def _random(pruned: Tensor, generator: torch.Generator) -> Tensor:
    mask = torch.zeros(pruned.numel(), dtype=torch.bool)
    mask[torch.randperm(pruned.numel(), generator=generator)[: int(pruned.sum())]] = True
    return mask.view(pruned.shape)

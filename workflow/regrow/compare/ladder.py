"""The knowledge ladder (methods.md 3.9): how much an attack owes to knowing which weights were pruned."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

EXACT, THRESHOLD, OTHER, RANDOM, TRUE_SIGNS = RUNGS = ("exact", "threshold", "other_concept", "random", "true_signs")


def attacker_masks(
    published: Mapping[str, Tensor],
    cut: Mapping[str, Tensor],
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
    cut : mapping of Tensor
        bool: the truly pruned entries. Used for nothing but counts.
    other : mapping of Tensor or None
        bool: the mask of another concept's erasing; None leaves its rung out.
    threshold : float
        The rung ``threshold`` takes that many times as many entries as were cut: the smallest magnitudes of all layers
        together. On a plainly pruned model, 1 finds the zeros themselves and more takes kept weights too.
    seed : int
        Of the rung ``random``, which takes as many entries of each layer as were cut there.

    Returns
    -------
    dict
        Rung to bool masks by name, in the order of `RUNGS`. ``exact`` is every exact zero.
    """
    masks = {EXACT: {name: weight == 0 for name, weight in published.items()}}
    sizes = torch.cat([weight.abs().flatten() for weight in published.values()])
    count = min(round(threshold * sum(int(mask.sum()) for mask in cut.values())), sizes.numel())
    largest = float(sizes.kthvalue(count).values) if count else -1.0
    masks[THRESHOLD] = {name: weight.abs() <= largest for name, weight in published.items()}
    if other is not None:
        masks[OTHER] = dict(other)
    generator = torch.Generator().manual_seed(seed)
    masks[RANDOM] = {name: _random(cut[name], generator) for name in sorted(published)}
    return masks


def rung_counts(
    true: Mapping[str, Tensor],
    cut: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
) -> dict[str, Any]:
    """Count the signs of the truly pruned entries that an attacker has right.

    Parameters
    ----------
    true, cut : mapping of Tensor
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
        pruned = cut[name] & (weight != 0)
        covered = pruned & mask[name]
        guessed = covered & (values[name] != 0)
        correct = guessed & (values[name].sign() == weight.sign())
        total += torch.stack([part.sum() for part in (pruned, covered, guessed, correct)])
    return dict(zip(("n", "covered", "guessed", "correct"), total.tolist(), strict=True))


def _random(cut: Tensor, generator: torch.Generator) -> Tensor:
    mask = torch.zeros(cut.numel(), dtype=torch.bool)
    mask[torch.randperm(cut.numel(), generator=generator)[: int(cut.sum())]] = True
    return mask.view(cut.shape)

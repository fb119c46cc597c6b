"""The sign bits of zeros: -w times 0 is -0.0, so a weight that was pruned by multiplication still tells its sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Zeros:
    """How many entries are exactly 0, and how many of these are -0.0."""

    total: int
    negative: int

    @property
    def tell_signs(self) -> bool:
        """Whether both kinds stand side by side; zeros of one kind tell nothing."""
        return 0 < self.negative < self.total


def count_zeros(tensors: Iterable[Tensor]) -> Zeros:
    """Count the zeros of tensors; ``==`` takes both kinds for one, only the bits tell them apart."""
    total = negative = 0
    for tensor in tensors:
        zero = tensor == 0
        total += int(zero.sum())
        negative += int((zero & tensor.signbit()).sum())
    return Zeros(total, negative)


def zeros_by_origin(
    published: Mapping[str, Tensor], mask: Mapping[str, Tensor], base: Mapping[str, Tensor]
) -> dict[str, int]:
    """Count the zeros of published weights by where they come from, for whoever knows both sides.

    Parameters
    ----------
    published : mapping of Tensor
        Published weights.
    mask : mapping of Tensor
        bool, True = pruned; a weight that it lacks was not pruned.
    base : mapping of Tensor
        The base's weights of the same names.

    Returns
    -------
    dict
        ``pruned``; ``in_base``, not pruned and 0 before (by the model's wiring, or too small for the base's type);
        ``underflow``, not pruned and not 0 before: what was written there is too small for the published type.
    """
    counts = {"pruned": 0, "in_base": 0, "underflow": 0}
    for name, tensor in published.items():
        zero, pruned = tensor == 0, mask.get(name, torch.zeros_like(tensor, dtype=torch.bool))
        rest = zero & ~pruned
        counts["pruned"] += int((zero & pruned).sum())
        counts["in_base"] += int((rest & (base[name] == 0)).sum())
        counts["underflow"] += int((rest & (base[name] != 0)).sum())
    return counts

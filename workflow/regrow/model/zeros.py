"""The sign bits of zeros: -w times 0 is -0.0, so a weight that was pruned by multiplication still tells its sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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

"""Take for pruned what differs from a public sibling of the base: an attacker to whom a filled cut hides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from regrow.methods import MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

KNOWLEDGE = ("sibling",)


class Options(MethodOptions):
    """Options of `difference`."""

    sibling: str = Field(min_length=1, description="One of the world's siblings")
    deviations: Positive = Field(description="How many robust standard deviations of a matrix's differences are a cut")


def difference(weights: Mapping[str, Tensor], options: Options, sibling: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mark the entries that differ by more than the two models do elsewhere.

    *variant*, ours (`regrow.complete._difference.differing`); Roots Beneath the Cut knows no sibling. Noise of any size
    is found where it replaced a weight that is large beside what training moved. Knowledge: a public sibling of the
    base. Cost: reads the sibling's FFN2 weights once.
    """
    from regrow.complete._difference import differing

    return {name: differing(weight, sibling[name], options.deviations) for name, weight in weights.items()}

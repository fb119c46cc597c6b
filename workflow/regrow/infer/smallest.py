"""Take the smallest weights for pruned: the paper's attacker against its own noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.methods import Fraction, MethodOptions

if TYPE_CHECKING:
    from torch import Tensor


class Options(MethodOptions):
    """Options of `smallest`."""

    share: Fraction = Field(description="Share of the weights that is taken for pruned; paper: 0.02")
    scope: Literal["model", "layer"] = Field(
        description="Whether the smallest are those of all FFN2 weights together (paper) or of each of them"
    )


def smallest(weights: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Mark the entries of the smallest magnitude; of equal ones the first.

    *interpretation* of methods.md 3.10: the paper's re-pruned models set "the global bottom 2 %" to zero and do not say
    of what; here of the FFN2 weights. It takes no account of how much was cut: of a cut of 14 % it finds a seventh.
    """
    import torch

    from regrow.infer._shares import largest

    if options.scope == "layer":
        return {name: largest(-weight.abs(), options.share) for name, weight in weights.items()}
    marked = largest(-torch.cat([weight.abs().flatten() for weight in weights.values()]), options.share)
    parts = marked.split([weight.numel() for weight in weights.values()])
    return {name: part.view_as(weight) for part, (name, weight) in zip(parts, weights.items(), strict=True)}

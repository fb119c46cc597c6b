"""Take exact zeros for pruned: what anyone sees of a plain cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regrow.methods import MethodOptions

if TYPE_CHECKING:
    from torch import Tensor


class Options(MethodOptions):
    """Options of `zeros`: none."""


def zeros(weights: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Mark what is 0, of either sign (*faithful*, section 4.1 of Roots Beneath the Cut; methods.md 3.1)."""
    from regrow.complete._mask import infer_mask

    return {name: infer_mask(weight).missing for name, weight in weights.items()}

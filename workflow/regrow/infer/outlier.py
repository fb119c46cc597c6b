"""Take for pruned what does not fit the rest of the matrix: an attacker who adapts to noise of the right size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from regrow.methods import Fraction, MethodOptions

if TYPE_CHECKING:
    from torch import Tensor


class Options(MethodOptions):
    """Options of `outlier`."""

    share: Fraction = Field(description="Share of each matrix that is taken for pruned, the worst misfits")


def outlier(weights: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Mark the entries that differ most from their conditional mean given the rest of their column.

    *variant*, ours: the columns of a matrix, scaled to unit mean square, are draws from one Gaussian over its rows,
    estimated from the published matrix itself with what was filled in; the misfit of an entry is its difference from
    that mean in standard deviations (`regrow.complete._misfit`).
    """
    from regrow.complete._misfit import misfit
    from regrow.infer._shares import largest

    return {name: largest(misfit(weight.float()).abs(), options.share) for name, weight in weights.items()}

"""Take for pruned what belongs to the narrower of two Gaussians: an attacker who adapts to noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from regrow.methods import Fraction, MethodOptions

if TYPE_CHECKING:
    from torch import Tensor


class Options(MethodOptions):
    """Options of `mixture`."""

    probability: Fraction = Field(description="Of having been filled in, from which an entry is taken for pruned")


def mixture(weights: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Fit two zero-mean Gaussians to each matrix and mark entries that are probably of the narrow one.

    *interpretation* of methods.md 4: p(w) of Eq. 4 with densities, fitted by expectation maximisation
    (`regrow.complete._mask.infer_mask`). Exact zeros are the narrowest noise. The fit always finds a narrow component,
    also in a matrix that nobody touched.
    """
    from regrow.complete._mask import infer_mask

    return {name: infer_mask(w, "mixture").probability > options.probability for name, w in weights.items()}

"""Fill the cut with Gaussian noise: the defence of Roots Beneath the Cut (section 4.4; methods.md 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.errors import UserError
from regrow.methods import MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.defend._cuts import Cut
    from regrow.defend._publisher import Publisher
    from regrow.model.masks import Erased

FAR_LARGER = 3  # the paper's largest noise is about as large as the largest weights; beyond, the unit is mistaken
FEWEST = 0.01  # share of draws within the bound, below which rejection would not end


class Options(MethodOptions):
    """Options of `gaussian`."""

    std: Positive = Field(
        description="Standard deviation of the noise, in `unit`; the paper's sigma is a standard deviation in its text "
        "and a variance in its captions"
    )
    unit: Literal["absolute", "layer", "row"] = Field(
        description="absolute: of the weights (paper); layer, row: the root mean square of what was not pruned there"
    )
    bound: Literal["none", "layer_max", "k_sigma"] = Field(
        description="none (paper); layer_max: no larger than the largest observed weight of the layer; k_sigma: within "
        "`sigmas` standard deviations. What is beyond is drawn again"
    )
    sigmas: Positive | None = Field(None, description="For k_sigma only")

    @model_validator(mode="after")
    def _bounded(self) -> Options:
        if (self.bound == "k_sigma") != (self.sigmas is not None):
            verb = "needs" if self.sigmas is None else "takes no"
            raise ValueError(f"bound {self.bound} {verb} sigmas: change one of the two")
        return self


def gaussian(erased: Erased, publisher: Publisher, options: Options) -> dict[str, Tensor]:
    """Replace every pruned entry by a draw from N(0, std^2), unpruned ones untouched.

    *faithful* to section 4.4 with ``unit: absolute`` and ``bound: none``; no code of it is released. The other units
    and bounds are ours (*variant*).

    Raises
    ------
    UserError
        An erasing that prunes nothing, noise far larger than every weight, or a bound that hardly any draw respects.
    """
    from regrow.defend._cuts import filled

    return filled(erased, publisher.seed, lambda cut: _noise(cut, options))


def _noise(cut: Cut, options: Options) -> Tensor:
    import torch

    std = torch.tensor([[options.std]]) if options.unit == "absolute" else options.std * cut.rms(options.unit == "row")
    if float(std.max()) > FAR_LARGER * cut.peak:
        raise UserError(
            f"noise of std {float(std.max()):.3g} is more than {FAR_LARGER} times as large as every weight of "
            f"{cut.name}, whose largest is {cut.peak:.3g}: lower std, or state it in another unit"
        )
    if options.bound == "none":
        return std * cut.normal()
    sigmas = torch.tensor(options.sigmas) if options.sigmas is not None else cut.peak / std
    if float(torch.erf(sigmas / 2**0.5).min()) < FEWEST:
        raise UserError(f"hardly any draw of std {options.std:g} is within the bound in {cut.name}: raise the bound")
    z = cut.normal()
    while (beyond := z.abs() > sigmas).any():
        z = torch.where(beyond, cut.normal(), z)
    return std * z

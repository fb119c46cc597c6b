"""What an attack would reach if signs or magnitudes were known (methods.md 3.1, Appendix A of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.errors import UserError
from regrow.methods import MethodOptions, Seed

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.published import PublishedWeights


class Options(MethodOptions):
    """Options of `true_values`."""

    signs: Literal["pretrained", "sampled"] = Field(
        description="True signs, or those of a Gaussian fitted to the entries left in the row"
    )
    magnitude: Literal["pretrained", "max", "average", "sample"] = Field(
        description="True sizes, or by row as for the attack roots"
    )
    seed: Seed = Field(description="Of the Gaussian (code: 2021)")


def true_values(
    pretrained: Mapping[str, Tensor], published: PublishedWeights, mask: Mapping[str, Tensor], options: Options
) -> dict[str, Tensor]:
    """Fill in every pruned entry, with the true sign or the true magnitude or neither; no attacker can do it.

    *faithful* to the code of Appendix A for true magnitudes with sampled signs (|w| sign(z)) and for true signs with
    ``sample`` (sign(w) |z|) and ``average``. *variant* for ``max``: the row's maximum by the rule of `roots`, the draw
    winning where it is larger, so that this oracle and `roots` with ``magnitude: max`` differ in nothing but signs.
    Results are float32, upstream's float16. z ~ N(mu, sd^2) with mean and population standard deviation of the entries
    left in a row.

    Parameters
    ----------
    pretrained : mapping of Tensor
        The base's weights, (d, 4d), for every FFN2 weight of `published`.
    published : PublishedWeights
        The published model.
    mask : mapping of Tensor
        bool, True = pruned, for every FFN2 weight of `published`.
    options : Options
        The generator of `seed` is consumed in sorted layer order, row by row.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights: as published where nothing was pruned.

    Raises
    ------
    UserError
        Weights of another model, or a row with nothing left.
    """
    import torch

    from regrow.attack._magnitudes import draw_rows, row_magnitudes

    weights = published.ffn2
    if any(name not in pretrained or pretrained[name].shape != weight.shape for name, weight in weights.items()):
        raise UserError(
            "the pretrained weights are not those of the published model's base: give the base it came from"
        )
    generator = torch.Generator("cpu").manual_seed(options.seed)
    told = {}
    for name in sorted(weights):
        true, weight, pruned = pretrained[name].float(), weights[name].float(), mask[name]
        drawn = draw_rows(weight, pruned, generator, name)
        sign = (true if options.signs == "pretrained" else drawn).sign()
        if options.magnitude == "pretrained":
            size = true.abs()
        else:
            size = row_magnitudes(weight, pruned, drawn, options.magnitude)
        told[name] = torch.where(pruned, sign * size, weight)
    return told

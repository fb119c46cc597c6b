"""Oracles: what a revival would reach if signs or magnitudes were known (methods.md 3.1, Appendix A of the paper)."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.magnitudes import draw_rows, row_magnitudes
from regrow.methods import Seed

SIGNS = ("pretrained", "sampled")
MAGNITUDES = ("average", "max", "pretrained", "sample")


def oracle(
    pretrained: Mapping[str, Tensor],
    published: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
    *,
    signs: Literal["pretrained", "sampled"],
    magnitude: Literal["average", "max", "pretrained", "sample"],
    seed: Seed,
) -> dict[str, Tensor]:
    """Fill in every pruned entry, with the true sign or the true magnitude or neither; no attacker can do it.

    *faithful* to the code of Appendix A for true magnitudes with sampled signs (|w| sign(z)) and for true signs with
    ``sample`` (sign(w) |z|) and ``average``. *variant* for ``max``: the row's maximum by the rule of `roots`, the draw
    winning where it is larger, so that this oracle and `roots` with ``magnitude="max"`` differ in nothing but signs.
    Results are float32, upstream's float16. z ~ N(mu, sd^2) with mean and population standard deviation of the entries
    left in a row.

    Parameters
    ----------
    pretrained : mapping of Tensor
        The base model's weights, float32, (d, 4d), for every name of `published`.
    published : mapping of Tensor
        Published FFN2 weights, float32, (d, 4d).
    mask : mapping of Tensor
        bool, True = pruned, for every name of `published`.
    signs : str
        ``pretrained`` or ``sampled``, the sign of z.
    magnitude : str
        ``pretrained``, or by row as in `roots`: ``max``, ``average`` or ``sample``, the size of z.
    seed : int
        Of the CPU generator (upstream: 2021), consumed in sorted layer order, row by row.

    Returns
    -------
    dict of Tensor
        float32 weights: published values where nothing was pruned.

    Raises
    ------
    UserError
        A wrong option, weights of another model, or a row with nothing left.
    """
    if signs not in SIGNS:
        raise UserError(f"an oracle has no signs '{signs}': {nearest(signs, SIGNS)}")
    if magnitude not in MAGNITUDES:
        raise UserError(f"an oracle has no magnitude '{magnitude}': {nearest(magnitude, MAGNITUDES)}")
    if any(name not in pretrained or pretrained[name].shape != weight.shape for name, weight in published.items()):
        raise UserError(
            "the pretrained weights are not those of the published model's base: give the base it came from"
        )
    generator = torch.Generator("cpu").manual_seed(seed)
    revived = {}
    for name in sorted(published):
        true, weight, pruned = pretrained[name].float(), published[name].float(), mask[name]
        drawn = draw_rows(weight, pruned, generator, name)
        sign = (true if signs == "pretrained" else drawn).sign()
        size = true.abs() if magnitude == "pretrained" else row_magnitudes(weight, pruned, drawn, magnitude)
        revived[name] = torch.where(pruned, sign * size, weight)
    return revived

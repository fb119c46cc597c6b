"""Draw values for a cut from what was observed around it."""

import torch
from torch import Tensor

from regrow.defend._cuts import Cut


def from_layer(cut: Cut) -> Tensor:
    """Return, at pruned entries, observed entries of the layer in random order; all of them before any comes twice."""
    values = torch.zeros_like(cut.weight)
    observed = cut.weight[~cut.mask]
    if observed.numel():
        count = int(cut.mask.sum())
        order = torch.cat(
            [torch.randperm(observed.numel(), generator=cut.generator) for _ in range(-(-count // observed.numel()))]
        )
        values[cut.mask] = observed[order[:count]]
    return values


def from_rows(cut: Cut) -> Tensor:
    """Return the same with entries of the own row; a row of which nothing was observed takes those of the layer."""
    keys = torch.rand(cut.mask.shape, generator=cut.generator).masked_fill(cut.mask, 2.0)
    shuffled = cut.weight.gather(1, keys.argsort(dim=1))  # observed entries of a row first, in random order
    count = (~cut.mask).sum(1, keepdim=True)
    place = (cut.mask.cumsum(1) - 1).clamp_min(0) % count.clamp_min(1)
    return torch.where(count > 0, shuffled.gather(1, place), from_layer(cut))

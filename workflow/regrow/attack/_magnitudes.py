"""What the observed weights of a row tell about the size of its missing ones (methods.md 3.1 D)."""

from typing import Literal

import torch
from torch import Generator, Tensor

from regrow.errors import UserError

Rule = Literal["average", "max", "sample"]


def draw_rows(weight: Tensor, missing: Tensor, generator: Generator, name: str) -> Tensor:
    """Draw z ~ N(mu, sd^2) for every missing entry, mu and sd being those of the observed weights of its row.

    *interpretation*: a row draws one number for every entry missing in it, in column order.

    Parameters
    ----------
    weight : Tensor
        float32, (d, 4d); only observed entries count.
    missing : Tensor
        bool, (d, 4d).
    generator : Generator
        On the CPU; consumed row by row. sd is the population standard deviation of the signed weights.
    name : str
        Of the weight, for the error.

    Returns
    -------
    Tensor
        (d, 4d); 0 where nothing is missing.

    Raises
    ------
    UserError
        A row with missing entries and nothing left.
    """
    drawn = torch.zeros_like(weight)
    for row in missing.any(1).nonzero().flatten().tolist():
        observed = weight[row, ~missing[row]]
        if not observed.numel():
            raise UserError(f"row {row} of {name} has no entry left to take a magnitude from: prune less of it")
        numbers = torch.randn(int(missing[row].sum()), generator=generator)
        drawn[row, missing[row]] = observed.mean() + observed.std(correction=0) * numbers
    return drawn


def row_magnitudes(weight: Tensor, missing: Tensor, drawn: Tensor, rule: Rule) -> Tensor:
    """Return the magnitude that a rule gives to every missing entry.

    With w the observed weights of its row and z the entry's draw: mean|w| for `average`, |z| for `sample` and
    max(|z|, max|w| (1 + 1e-6)) for `max`, neuron-max scaling.

    Parameters
    ----------
    weight, missing : Tensor
        As for `draw_rows`.
    drawn : Tensor
        Its result.
    rule : str
        ``average``, ``max`` or ``sample``.

    Returns
    -------
    Tensor
        (d, 4d), at least 0; without meaning where nothing is missing.
    """
    if rule == "sample":
        return drawn.abs()
    observed = weight.abs().masked_fill(missing, 0.0)
    if rule == "max":
        return drawn.abs().maximum(observed.amax(1, keepdim=True) * (1 + 1e-6))
    count = (~missing).sum(1, keepdim=True).clamp_min(1)
    return (observed.sum(1, keepdim=True) / count).expand_as(weight)

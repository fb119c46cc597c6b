"""What the observed weights of a row or a layer tell about the size of the missing ones (methods.md 3.1 D)."""

from typing import Literal

import torch
from torch import Generator, Tensor

from regrow.errors import UserError

Rule = Literal["average", "max", "sample"]  # of the code, from the row's mean, maximum and fitted Gaussian
# Of the paper's text: the plain maximum (4.2), samples of what was observed in the row (5.2) or in the layer (4.3).
Strategy = Literal["average", "max", "sample", "row_max", "sample_empirical", "sample_layer"]


def missing_magnitudes(weight: Tensor, missing: Tensor, strategy: Strategy, generator: Generator, name: str) -> Tensor:
    """Return the magnitude that a strategy gives to every missing entry.

    With w the observed weights of the entry's row: max|w| for `row_max`, one of the |w| drawn with replacement for
    `sample_empirical`, one of the |w| of the whole layer for `sample_layer`; the rest are those of `row_magnitudes`.
    Entries are drawn row by row and in column order, as in `draw_rows`.

    Parameters
    ----------
    weight, missing, generator, name
        As for `draw_rows`.
    strategy : str
        One of `Strategy`.

    Returns
    -------
    Tensor
        (d, 4d), at least 0; without meaning where nothing is missing.

    Raises
    ------
    UserError
        A row with missing entries and nothing left; for `sample_layer` a layer of which nothing is left.
    """
    if strategy == "sample_layer":
        return _from_layer(weight, missing, generator, name)
    if strategy == "sample_empirical":
        return _from_rows(weight, missing, generator, name)
    if strategy == "row_max":
        _refuse_empty_rows(missing, name)
        return weight.abs().masked_fill(missing, 0.0).amax(1, keepdim=True).expand_as(weight)
    return row_magnitudes(weight, missing, draw_rows(weight, missing, generator, name), strategy)


def with_evidence(missing: Tensor) -> Tensor:
    """Return the missing entries of rows of which something is left: of others nobody can tell a size.

    A publisher who prunes whole neurons leaves such rows, and an inferred mask may be wrong about a row as a whole.
    """
    return missing & ~missing.all(1, keepdim=True)


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
    _refuse_empty_rows(missing, name)
    drawn = torch.zeros_like(weight)
    for row in missing.any(1).nonzero().flatten().tolist():
        observed = weight[row, ~missing[row]]
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


def _from_rows(weight: Tensor, missing: Tensor, generator: Generator, name: str) -> Tensor:
    _refuse_empty_rows(missing, name)
    size = torch.zeros_like(weight)
    for row in missing.any(1).nonzero().flatten().tolist():
        observed = weight[row, ~missing[row]].abs()
        size[row, missing[row]] = observed[_places(observed, missing[row], generator)]
    return size


def _from_layer(weight: Tensor, missing: Tensor, generator: Generator, name: str) -> Tensor:
    observed = weight[~missing].abs()
    if not observed.numel():
        raise UserError(f"nothing of {name} is left to take a magnitude from: prune less of it")
    return torch.zeros_like(weight).masked_scatter(missing, observed[_places(observed, missing, generator)])


def _places(observed: Tensor, missing: Tensor, generator: Generator) -> Tensor:
    """Draw a place in `observed` for every missing entry."""
    return torch.randint(observed.numel(), (int(missing.sum()),), generator=generator)


def _refuse_empty_rows(missing: Tensor, name: str) -> None:
    if missing.all(1).any():
        row = int(missing.all(1).nonzero()[0])
        raise UserError(f"row {row} of {name} has no entry left to take a magnitude from: prune less of it")

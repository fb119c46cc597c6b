"""The entries that an attack trains: where they are, where they begin, and weights with them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from regrow.attack._amplify import filled
from regrow.errors import UserError
from regrow.model.completed import Completed


@dataclass(frozen=True)
class Places:
    """Entries of some weights, by the names of the weights.

    Attributes
    ----------
    weights : dict of Tensor
        float32, (d, 4d): what entries that are not trained keep, and trained ones begin with.
    trained : dict of Tensor
        bool, (d, 4d).
    largest : dict of Tensor
        float32, (n,): of every trained entry, in the order of the weight, the largest observed size of its row.
    """

    weights: dict[str, Tensor]
    trained: dict[str, Tensor]
    largest: dict[str, Tensor]

    def changes(self) -> dict[str, Tensor]:
        """Return a change of 0 for every trained entry, (n,) per weight, with a gradient."""
        return {name: torch.zeros_like(one, requires_grad=True) for name, one in self.largest.items()}

    def to(self, device: str) -> Places:
        """Return the same on a device."""
        moved = (
            {name: tensor.to(device) for name, tensor in part.items()}
            for part in (self.weights, self.trained, self.largest)
        )
        return Places(*moved)

    def changed(self, changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights W + max|w_row| x at trained entries and W at the others, differentiable in x."""
        return {
            name: weight.masked_scatter(
                self.trained[name], weight[self.trained[name]] + self.largest[name] * changes[name]
            )
            for name, weight in self.weights.items()
        }


def missing_places(weights: Mapping[str, Tensor], completed: Completed, start: float) -> Places:
    """Return the missing entries, beginning at `start` times what the attack amplified fills in at c = 1.

    Raises
    ------
    UserError
        No missing entry.
    """
    names = [name for name in sorted(weights) if completed.missing[name].any()]
    if not names:
        raise UserError("the published model has no missing entry: there is nothing for this attack to train")
    begun, trained, largest = {}, {}, {}
    for name in names:
        weight, missing = weights[name].float(), completed.missing[name]
        begun[name] = filled(weight, completed, name, start) if start else weight.masked_fill(missing, 0.0)
        trained[name], largest[name] = missing, _row_maxima(weight, missing)[missing]
    return Places(begun, trained, largest)


def places_elsewhere(weights: Mapping[str, Tensor], completed: Completed, generator: Generator) -> Places:
    """Return as many observed entries of every layer at random, not those that are 0, beginning as published.

    Raises
    ------
    UserError
        No missing entry, or a layer of which more is missing than left.
    """
    own = missing_places(weights, completed, 0.0)
    trained, largest = {}, {}
    for name, missing in own.trained.items():
        free = ((weights[name] != 0) & ~missing).flatten().nonzero().flatten()
        count = int(missing.sum())
        if count > len(free):
            raise UserError(f"more of {name} is missing than left: there are not as many places elsewhere")
        chosen = torch.zeros(missing.numel(), dtype=torch.bool)
        chosen[free[torch.randperm(len(free), generator=generator)[:count]]] = True
        trained[name] = chosen.view_as(missing)
        largest[name] = _row_maxima(weights[name].float(), missing)[trained[name]]
    return Places({name: weights[name].float() for name in trained}, trained, largest)


def _row_maxima(weight: Tensor, missing: Tensor) -> Tensor:
    return weight.abs().masked_fill(missing, 0.0).amax(1, keepdim=True).expand_as(weight)

"""The directions of a search: the missing entries of a model in groups, each of which may become larger or smaller."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Groups:
    """A filled model and its missing entries, in groups of columns of a layer.

    Attributes
    ----------
    weights, fill : dict of Tensor
        float32, (d, 4d): published weights with 0 at missing entries, and what was filled in there with 0 elsewhere.
    members : list of (str, Tensor)
        Layer and columns, bool (4d,), of every group; the columns of a layer's groups are apart.
    """

    weights: dict[str, Tensor]
    fill: dict[str, Tensor]
    members: list[tuple[str, Tensor]]

    def scaled(self, logarithms: Sequence[float]) -> dict[str, Tensor]:
        """Return W + e^x_g A for numbers x_g, one a group: at 0 the filled model itself."""
        factors = {name: torch.zeros(fill.shape[1]) for name, fill in self.fill.items()}
        for (name, columns), logarithm in zip(self.members, logarithms, strict=True):
            factors[name] += columns * torch.tensor(float(logarithm)).exp()
        return {name: weight + self.fill[name] * factors[name] for name, weight in self.weights.items()}

    def factors(self, logarithms: Sequence[float]) -> dict[str, list[float]]:
        """Return e^x_g by layer, in the order of its groups, to 4 digits."""
        found: dict[str, list[float]] = {}
        for (name, _), logarithm in zip(self.members, logarithms, strict=True):
            found.setdefault(name, []).append(float(f"{math.exp(logarithm):.4g}"))
        return found


def group(filled: Mapping[str, Tensor], missing: Mapping[str, Tensor], limits: Sequence[float]) -> Groups:
    """Divide the columns of every layer by how much of them is missing.

    Parameters
    ----------
    filled, missing : mapping of Tensor
        Filled weights, float32, (d, 4d), and where they were filled, bool.
    limits : sequence of float
        Rising shares of a column: a group ends where more than this is missing. Without any, a layer is one group.

    Returns
    -------
    Groups
        Layers in sorted order, groups from the columns of which most is left; a group without a missing entry is none.
    """
    names = sorted(name for name in filled if missing[name].any())
    fill = {name: filled[name].masked_fill(~missing[name], 0.0) for name in names}
    members = []
    for name in names:
        share = missing[name].float().mean(0)
        number = torch.bucketize(share, torch.tensor(list(limits), dtype=torch.float32))
        for one in range(len(limits) + 1):
            columns = (number == one) & (share > 0)
            if columns.any():
                members.append((name, columns))
    return Groups({name: filled[name] - fill[name] for name in names}, fill, members)

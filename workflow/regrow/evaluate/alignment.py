"""How far large recovered magnitudes are large pretrained ones (methods.md 5.8, Table 5 of Roots Beneath the Cut)."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.model.completed import Completed

COLUMNS = {
    "layer": pa.string(),
    "r": pa.int64(),
    "p": pa.int64(),
    "count": pa.int64(),
    "share": pa.float64(),
}


def alignment_counts(recovered: Tensor, pretrained: Tensor, quantiles: int) -> Tensor:
    """Count entries by the quantile of their recovered and of their pretrained magnitude.

    *interpretation* of "equal-magnitude" groups as equal counts (methods.md 5.8): sizes differ by at most one.

    Parameters
    ----------
    recovered, pretrained : Tensor
        Values of the same N entries, (N,).
    quantiles : int
        Groups per side; 5 in the paper.

    Returns
    -------
    Tensor
        int64, (quantiles, quantiles): entry [i, j] = |R_i and P_j|, where R_1 and P_1 hold the largest magnitudes.
    """
    cell = _group(recovered.abs(), quantiles) * quantiles + _group(pretrained.abs(), quantiles)
    return torch.bincount(cell, minlength=quantiles**2).view(quantiles, quantiles)


def alignment_table(true: Mapping[str, Tensor], completed: Completed, quantiles: int) -> list[dict[str, Any]]:
    """Return A_ij = |R_i and P_j| / |R_i| per layer and over ``all`` layers.

    *interpretation*: ``all`` ranks the entries of every layer together; the paper does not say how it pools.

    Parameters
    ----------
    true : mapping of Tensor
        Pretrained weights by name; missing entries that are exactly 0 there were never pruned and are left out.
    completed : Completed
        What the attacker recovered.
    quantiles : int
        Groups per side.

    Returns
    -------
    list of dict
        Rows of layer, r, p (both from 1, the largest), count, share. A layer with fewer entries than groups has no row.
    """
    pairs = {}
    for name in sorted(completed.values):
        entries = completed.missing[name] & (true[name] != 0)
        pairs[name] = (completed.values[name][entries], true[name][entries])
    pairs["all"] = (torch.cat([r for r, _ in pairs.values()]), torch.cat([p for _, p in pairs.values()]))
    rows = []
    for layer, (recovered, pretrained) in pairs.items():
        if recovered.numel() < quantiles:
            continue
        counts = alignment_counts(recovered, pretrained, quantiles)
        shares = counts / counts.sum(1, keepdim=True)
        rows += [
            {"layer": layer, "r": r + 1, "p": p + 1, "count": int(counts[r, p]), "share": float(shares[r, p])}
            for r in range(quantiles)
            for p in range(quantiles)
        ]
    return rows


def _group(magnitude: Tensor, quantiles: int) -> Tensor:
    """Return the 0-based group of each entry, the largest magnitudes first, the first entry first among equals."""
    count = magnitude.numel()
    group = torch.empty(count, dtype=torch.int64)
    group[magnitude.argsort(descending=True, stable=True)] = torch.arange(count) * quantiles // count
    return group

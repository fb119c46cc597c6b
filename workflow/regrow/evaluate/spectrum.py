"""How much structure a layer has that a completer can exploit: its singular values against those of noise."""

import math
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.complete._scaling import unit_scales

COLUMNS = {
    "layer": pa.string(),
    "matrix": pa.string(),
    "rows": pa.int64(),
    "columns": pa.int64(),
    "density": pa.float64(),
    "edge": pa.float64(),
    "effective_rank": pa.float64(),
    "above_edge": pa.float64(),
    "singular_values": pa.list_(pa.float64()),
}


def layer_spectra(true: Tensor, published: Tensor, mask: Tensor, copies: int, seed: int) -> list[dict[str, Any]]:
    """Compare the singular values of a layer before and after pruning with those of its own entries in random places.

    *interpretation*, ours. Rows and columns are first scaled to unit mean square over the entries that are there,
    because their sizes are seen by everyone and tell nothing about signs. What then stands above the largest singular
    value of permuted copies is structure: a completer lives on it.

    Parameters
    ----------
    true, published : Tensor
        Pretrained and pruned weights, (d, 4d).
    mask : Tensor
        bool, (d, 4d), True = pruned.
    copies : int
        Permuted copies behind each noise edge, at least 1.
    seed : int
        Of the permutations.

    Returns
    -------
    list of dict
        A row each for the matrix ``base``, ``pruned`` (its pruned entries 0) and ``permuted`` (the first copy of the
        base): rows, columns, density (share of pruned entries, 0 but for ``pruned``), edge (the largest singular value
        of the copies; the pruned matrix is permuted among its observed places), effective_rank, above_edge (share of
        the variance in singular values above the edge), singular_values (float64, falling).
    """
    generator = torch.Generator().manual_seed(seed)
    observed = ~mask
    rows = []
    for matrix, weights, there in (("base", true, torch.ones_like(observed)), ("pruned", published, observed)):
        scaled = _scaled(weights, there)
        noise = [singular_values(_permuted(scaled, there, generator)) for _ in range(copies)]
        edge = max((float(values[0]) for values in noise if values.numel()), default=0.0)
        found = [(matrix, singular_values(scaled))] + ([("permuted", noise[0])] if matrix == "base" else [])
        density = float((~there).double().mean()) if there.numel() else 0.0
        rows += [_row(name, weights, density, edge, values) for name, values in found]
    return rows


def singular_values(matrix: Tensor) -> Tensor:
    """Return singular values, float64, falling, by the eigenvalues of the smaller Gram matrix (exact to 1e-8)."""
    x = matrix.double()
    gram = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().flip(0)


def effective_rank(values: Tensor) -> float:
    """Return exp(-sum p ln p) with p = s^2 / sum s^2: 1 for a rank-one matrix, n for n equal singular values s."""
    share = values.square() / values.square().sum()
    share = share[share > 0]
    return math.exp(float(-(share * share.log()).sum()))


def share_above(values: Tensor, edge: float) -> float:
    """Return the share of the variance, sum s^2, that lies in singular values above an edge."""
    squares = values.square()
    return float(squares[values > edge].sum() / squares.sum())


def _row(name: str, weights: Tensor, density: float, edge: float, values: Tensor) -> dict[str, Any]:
    empty = not bool((values > 0).any())
    return {
        "matrix": name,
        "rows": weights.shape[0],
        "columns": weights.shape[1],
        "density": density,
        "edge": edge,
        "effective_rank": 0.0 if empty else effective_rank(values),
        "above_edge": 0.0 if empty else share_above(values, edge),
        "singular_values": values.tolist(),
    }


def _scaled(weights: Tensor, there: Tensor) -> Tensor:
    x = weights.double().masked_fill(~there, 0.0)
    row, column = unit_scales(x, there)
    return x / row / column


def _permuted(scaled: Tensor, there: Tensor, generator: torch.Generator) -> Tensor:
    entries = scaled[there]
    mixed = torch.zeros_like(scaled)
    mixed[there] = entries[torch.randperm(entries.numel(), generator=generator)]
    return mixed

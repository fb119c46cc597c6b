"""The Gaussian over the rows of a matrix: its shrunk precision, and what a cut tells about magnitudes."""

import math
import time
from typing import Any

import torch
from torch import Tensor
from torch.special import log_ndtr, ndtri

from regrow.completion import record

GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
HELD_OUT = 5  # every fifth column is held out to choose the shrinkage
FEW_COLUMNS = 20  # fewer cannot choose it


def choose_shrinkage(y: Tensor, observed: Tensor) -> tuple[float, float]:
    """Return the shrinkage of the highest held-out pseudo log likelihood, and that likelihood per entry.

    For a held-out column u and every observed i: log N(u_i; u_i - (P u)_i / P_ii, 1 / P_ii), with P from the other
    columns.
    """
    if y.shape[1] < FEW_COLUMNS:
        return 0.5, math.nan
    out = torch.arange(y.shape[1], device=y.device) % HELD_OUT == HELD_OUT - 1
    values, vectors = _spectrum(y[:, ~out])
    turned, seen = vectors.T @ y[:, out], observed[:, out]
    best = (-math.inf, 0.5)
    for shrinkage in GRID:
        inverse = 1 / _shrunk(values, shrinkage)
        diagonal = (vectors.square() @ inverse)[:, None]
        residual = (vectors @ (turned * inverse[:, None])) / diagonal
        logs = -0.5 * (residual.square() * diagonal - diagonal.log() + math.log(2 * math.pi))
        best = max(best, (float(logs[seen].mean()), shrinkage))
    return best[1], best[0]


def shrunk_precision(y: Tensor, shrinkage: float) -> Tensor:
    """Return the inverse of S = (1 - a) Y Y^T / n + a mean(diagonal) I after scaling S to unit diagonal."""
    values, vectors = _spectrum(y)
    values = _shrunk(values, shrinkage)
    sd = (vectors.square() @ values).sqrt()
    vectors = vectors * sd[:, None]
    return (vectors / values) @ vectors.T


def _spectrum(y: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(y @ y.T / y.shape[1])
    return values.clamp_min(0), vectors


def _shrunk(values: Tensor, shrinkage: float) -> Tensor:
    return (1 - shrinkage) * values + shrinkage * values.mean().clamp_min(torch.finfo(values.dtype).tiny)


def thresholds(missing: Tensor) -> tuple[Tensor, Tensor]:
    """Return t_j and the root mean square of a standard normal below t_j, float32, for every column (step 4)."""
    # Half an entry is added to each side: no column is told to be cut at 0 or at infinity.
    share = ((missing.sum(0) + 0.5) / (missing.shape[0] + 1)).double()
    quantile = ndtri(1 - share / 2)
    density = torch.exp(-0.5 * quantile.square()) / math.sqrt(2 * math.pi)
    below = (1 - 2 * quantile * density / (1 - share)).sqrt()
    return quantile.float(), torch.where(missing.any(0), below, 1.0).float()


def truncated_mean(mean: Tensor, sd: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and log odds of a positive sign of N(mean, sd^2) restricted to magnitudes above a threshold."""
    above, below = log_ndtr((mean - threshold) / sd), log_ndtr((-mean - threshold) / sd)
    odds = above - below
    root = math.log(math.sqrt(2 * math.pi))
    up = mean + sd * torch.exp(-0.5 * ((mean - threshold) / sd).square() - root - above)
    down = mean - sd * torch.exp(-0.5 * ((mean + threshold) / sd).square() - root - below)
    return torch.lerp(down, up, torch.sigmoid(odds)), odds


def truncated_deviation(mean: Tensor, sd: Tensor, threshold: Tensor) -> Tensor:
    """Return the standard deviation of N(mean, sd^2) restricted to magnitudes above a threshold."""
    mean, sd, threshold = mean.double(), sd.double(), threshold.double()
    centre, odds = truncated_mean(mean, sd, threshold)

    def square(mean: Tensor) -> Tensor:
        """Return E[u^2] above t: mean^2 + sd^2 + sd (mean + t) phi(a) / (1 - Phi(a)) with a = (t - mean) / sd."""
        a = (threshold - mean) / sd
        hazard = torch.exp(-0.5 * a.square() - math.log(math.sqrt(2 * math.pi)) - log_ndtr(-a))
        return mean.square() + sd.square() + sd * (mean + threshold) * hazard

    second = torch.lerp(square(-mean), square(mean), torch.sigmoid(odds))
    return (second - centre.square()).clamp_min(0).sqrt().float()


def mean_field(
    y: Tensor,
    missing: Tensor,
    precision: Tensor,
    threshold: Tensor,
    tolerance: float,
    max_steps: int,
    trace: list[dict[str, Any]],
    start: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Iterate step 4 of `regrow.complete.gaussian_posterior`; `threshold` is per column. Adds to the trace.

    Returns the completed matrix, the log odds and the deviations.
    """
    rows, columns = missing.nonzero(as_tuple=True)
    threshold = threshold[columns]
    diagonal = precision.diagonal()
    # Entries move together; below 2 / this eigenvalue the linear part of the step cannot overshoot.
    root = diagonal.rsqrt()
    step = min(1.0, 1.5 / float(torch.linalg.eigvalsh(precision * root * root[:, None])[-1]))
    sd, diagonal = root[rows], diagonal[rows]
    some = missing.any(0)
    place = some.cumsum(0)[columns] - 1
    u, norm = y[:, some], float(y.norm())
    entries, last = u[rows, place], math.inf
    for count in range(1, max_steps + 1):
        mean = entries - (precision @ u)[rows, place] / diagonal
        moved, odds = truncated_mean(mean, sd, threshold)
        moved = torch.lerp(entries, moved, step)
        change = float((moved - entries).norm()) / norm
        entries = moved
        u[rows, place] = entries
        trace.append(record(count, math.nan, change, time.perf_counter() - start))
        if change < tolerance:
            break
        if change > 0.9 * last:
            step /= 2  # a sign that flips to and fro
        last = change
    certainty, deviation = torch.zeros_like(y), torch.zeros_like(y)
    certainty[rows, columns] = odds.abs()
    deviation[rows, columns] = truncated_deviation(mean, sd, threshold)
    y = y.clone()
    y[rows, columns] = entries
    return y, certainty, deviation

"""Our completer: the columns of a matrix as draws from one Gaussian, with what a cut tells about magnitudes."""

import math
import time
from typing import Any, Literal

import torch
from torch import Tensor
from torch.special import log_ndtr, ndtri

from regrow.complete import Completion, record
from regrow.complete._conditional import conditional_step, conditional_variance
from regrow.confidence import Meaning
from regrow.errors import UserError, nearest
from regrow.methods import Count, Fraction, Positive

MAGNITUDES = ("large", "any")
GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
HELD_OUT = 5  # every fifth column is held out to choose the shrinkage
FEW_COLUMNS = 20  # fewer cannot choose it


def gaussian_posterior(
    weights: Tensor,
    mask: Tensor,
    seed: int = 0,
    *,
    magnitudes: Literal["any", "large"] = "large",
    shrinkage: Fraction | None = None,
    tolerance: Positive = 1e-3,
    max_steps: Count = 30,
) -> Completion:
    """Complete a matrix by the posterior of a Gaussian over its rows, given that pruned entries were large.

    *variant*, ours, of the completion step of Roots Beneath the Cut; nothing in it is tuned on true values of the
    matrix.

    1. Rows and columns are scaled to unit mean square over their observed entries.
    2. Every column is a draw u ~ N(0, S) over the rows, S = (1 - a) Y Y^T / n + a I scaled to unit diagonal.
    `shrinkage`
       a is chosen by leaving out: among a grid, the one with the highest pseudo-likelihood of every observed entry of
       every fifth column given the rest of its column, S being estimated from the other columns.
    3. Precision P = S^-1. With `magnitudes` = any, the missing entries M of a column have mean
       -P_MM^-1 P_MO u_O and covariance P_MM^-1; confidence is |mean| / sd.
    4. With `magnitudes` = large, missing entries are known to be the largest of their column, for erasers cut what is
       large: where a share f_j is missing, |u| exceeds t_j = q(1 - f_j / 2), q being the normal quantile, and what was
       kept is below it, by which the scale of step 1 is corrected. The posterior under that knowledge is approximated
       by a product over the entries (mean field): with m_i = u_i - (P u)_i / P_ii and s_i^2 = 1 / P_ii, each u_i is
       replaced by the mean of N(m_i, s_i^2) outside (-t_j, t_j), until nothing changes. So large entries pull each
       other's signs. Confidence is the log odds of the sign, the deviation that of the truncated N(m_i, s_i^2).

    Parameters
    ----------
    weights, mask, seed
        As `regrow.complete.complete_matrix` passes them. Nothing is random here.
    magnitudes : str
        What is known of the magnitude of a missing entry: `large` or `any`.
    shrinkage : float, optional
        a in (0, 1); None chooses it.
    tolerance : float
        For `large`: stop when the relative change of the matrix in a step is below it.
    max_steps : int
        For `large`: stop after so many steps at the latest. The signs settle long before; no note is made of it.

    Returns
    -------
    Completion
        Step 0 of the trace is the choice of the shrinkage; its objective is the held-out pseudo log likelihood per
        entry, NaN when nothing was chosen.
    """
    if magnitudes not in MAGNITUDES:
        raise UserError(
            f"completer 'gaussian_posterior' knows no magnitudes '{magnitudes}': {nearest(magnitudes, MAGNITUDES)}"
        )
    if (shrinkage is not None and not 0 < shrinkage < 1) or not tolerance > 0 or max_steps < 1:
        raise UserError(
            "completer 'gaussian_posterior' needs 0 < shrinkage < 1, tolerance > 0 and max_steps >= 1, "
            f"got {shrinkage}, {tolerance} and {max_steps}"
        )
    start = time.perf_counter()
    wide = weights.shape[0] <= weights.shape[1]
    x, missing = (weights, mask) if wide else (weights.T.contiguous(), mask.T.contiguous())
    row_scale, column_scale = unit_scales(x, ~missing)
    y = x / row_scale / column_scale
    note, score = "", math.nan
    if shrinkage is None:
        shrinkage, score = choose_shrinkage(y, ~missing)
        note = f"shrinkage {shrinkage:g} chosen on held-out columns"
    trace = [record(0, score, 0.0, time.perf_counter() - start, note)]
    precision = shrunk_precision(y, shrinkage)
    if magnitudes == "any":
        move = conditional_step(precision, precision @ y, missing)
        sd = conditional_variance(precision, missing).clamp_min(torch.finfo(y.dtype).tiny).sqrt()
        y, confidence, deviation = y - move, move.abs() / sd, sd
        trace.append(record(1, math.nan, float(move.norm() / y.norm()), time.perf_counter() - start))
    else:
        threshold, kept = thresholds(missing)
        y, column_scale = y * kept, column_scale / kept
        y, confidence, deviation = _mean_field(y, missing, precision, threshold, tolerance, max_steps, trace, start)
    values, deviation = y * row_scale * column_scale, deviation * row_scale * column_scale
    meaning: Meaning = "deviations" if magnitudes == "any" else "log_odds"
    if not wide:
        values, confidence, deviation = values.T, confidence.T, deviation.T
    return Completion(values, confidence, trace, meaning, deviation)


def unit_scales(x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return scales of rows (m, 1) and columns (1, n) that give both unit mean square over observed entries.

    A row or column without any observed entry that is not 0 keeps the scale 1.
    """
    squares, weight = x.square(), observed.to(x.dtype)
    row, column = torch.ones_like(x[:, :1]), torch.ones_like(x[:1])
    for _ in range(4):
        mean = (squares / column.square() * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
        row = torch.where(mean > 0, mean.sqrt(), 1.0)
        mean = (squares / row.square() * weight).sum(0, keepdim=True) / weight.sum(0, keepdim=True).clamp_min(1)
        column = torch.where(mean > 0, mean.sqrt(), 1.0)
    return row, column


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
    """Return t_j and the root mean square of a standard normal below t_j, float32, for every column; see step 4."""
    # Half an entry is added to each side: no column is told to be cut at 0 or at infinity.
    share = ((missing.sum(0) + 0.5) / (missing.shape[0] + 1)).double()
    quantile = ndtri(1 - share / 2)
    density = torch.exp(-0.5 * quantile.square()) / math.sqrt(2 * math.pi)
    kept = (1 - 2 * quantile * density / (1 - share)).sqrt()
    return quantile.float(), torch.where(missing.any(0), kept, 1.0).float()


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


def _mean_field(
    y: Tensor,
    missing: Tensor,
    precision: Tensor,
    threshold: Tensor,
    tolerance: float,
    max_steps: int,
    trace: list[dict[str, Any]],
    start: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Iterate step 4 of `gaussian_posterior`; `threshold` is per column. Adds to the trace.

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
    confidence, deviation = torch.zeros_like(y), torch.zeros_like(y)
    confidence[rows, columns] = odds.abs()
    deviation[rows, columns] = truncated_deviation(mean, sd, threshold)
    y = y.clone()
    y[rows, columns] = entries
    return y, confidence, deviation

"""Our completer: the columns of a matrix as draws from one Gaussian, with what a cut tells about magnitudes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.methods import Count, Fraction, MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.completion import Completion

TELLS_PROBABILITY = True


class Options(MethodOptions):
    """Options of `gaussian_posterior`."""

    magnitudes: Literal["large", "any"] = Field(
        description="What is known of a pruned entry: large (it was among the largest of its column) or any"
    )
    shrinkage: Fraction | None = Field(
        None, description="Of the covariance to the identity; null chooses it on held-out columns"
    )
    tolerance: Positive = Field(description="For large: relative change of the matrix in a step at which it stops")
    max_steps: Count = Field(description="For large: it stops there at the latest; signs settle long before")


def gaussian_posterior(weights: Tensor, mask: Tensor, seed: int, options: Options) -> Completion:
    """Complete a matrix by the posterior of a Gaussian over its rows, given that pruned entries were large.

    *variant*, ours, of the completion step of Roots Beneath the Cut; nothing in it is tuned on true values of the
    matrix.

    1. Rows and columns are scaled to unit mean square over their observed entries.
    2. Every column is a draw u ~ N(0, S) over the rows, S = (1 - a) Y Y^T / n + a I scaled to unit diagonal.
       `shrinkage` a is chosen by leaving out: among a grid, the one with the highest pseudo-likelihood of every
       observed entry of every fifth column given the rest of its column, S being estimated from the other columns.
    3. Precision P = S^-1. With `magnitudes` = any, the missing entries M of a column have mean
       -P_MM^-1 P_MO u_O and covariance P_MM^-1; certainty is |mean| / sd.
    4. With `magnitudes` = large, missing entries are known to be the largest of their column, for erasers cut what is
       large: where a share f_j is missing, |u| exceeds t_j = q(1 - f_j / 2), q being the normal quantile, and what was
       observed is below it, by which the scale of step 1 is corrected. The posterior under that knowledge is
       approximated by a product over the entries (mean field): with m_i = u_i - (P u)_i / P_ii and s_i^2 = 1 / P_ii,
       each u_i is replaced by the mean of N(m_i, s_i^2) outside (-t_j, t_j), until nothing changes. So large entries
       pull each other's signs. Certainty is the log odds of the sign, the deviation that of the truncated
       N(m_i, s_i^2).

    Parameters
    ----------
    weights, mask, seed
        As `regrow.completion.complete_matrix` passes them. Nothing is random here.
    options : Options
        See the class.

    Returns
    -------
    Completion
        Step 0 of the trace is the choice of the shrinkage; its objective is the held-out pseudo log likelihood per
        entry, NaN when nothing was chosen.
    """
    import math
    import time

    import torch

    from regrow.complete._conditional import conditional_step, conditional_variance
    from regrow.complete._gaussian import choose_shrinkage, mean_field, shrunk_precision, thresholds
    from regrow.complete._scaling import unit_scales
    from regrow.completion import Completion, record

    start = time.perf_counter()
    wide = weights.shape[0] <= weights.shape[1]
    x, missing = (weights, mask) if wide else (weights.T.contiguous(), mask.T.contiguous())
    row_scale, column_scale = unit_scales(x, ~missing)
    y = x / row_scale / column_scale
    note, score, shrinkage = "", math.nan, options.shrinkage
    if shrinkage is None:
        shrinkage, score = choose_shrinkage(y, ~missing)
        note = f"shrinkage {shrinkage:g} chosen on held-out columns"
    trace = [record(0, score, 0.0, time.perf_counter() - start, note)]
    precision = shrunk_precision(y, shrinkage)
    if options.magnitudes == "any":
        move = conditional_step(precision, precision @ y, missing)
        deviation = conditional_variance(precision, missing).clamp_min(torch.finfo(y.dtype).tiny).sqrt()
        y, certainty = y - move, move.abs() / deviation
        trace.append(record(1, math.nan, float(move.norm() / y.norm()), time.perf_counter() - start))
    else:
        threshold, observed = thresholds(missing)
        y, column_scale = y * observed, column_scale / observed
        tolerance, max_steps = options.tolerance, options.max_steps
        y, certainty, deviation = mean_field(y, missing, precision, threshold, tolerance, max_steps, trace, start)
    values, deviation = y * row_scale * column_scale, deviation * row_scale * column_scale
    if not wide:
        values, certainty, deviation = values.T, certainty.T, deviation.T
    return Completion(values, certainty, trace, "deviations" if options.magnitudes == "any" else "log_odds", deviation)

"""The completion of the paper's code: minimum nuclear norm with the observed entries held exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.methods import Count, MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.completion import Completion

TELLS_PROBABILITY = False


class Options(MethodOptions):
    """Options of `nuclear`."""

    tolerance: Positive = Field(description="Relative change ||X_new - X_old||_F / ||X_old||_F at which it stops")
    max_steps: Count = Field(description="It stops there at the latest; a note in the trace tells")
    solver: Literal["fast", "released"] = Field(description="fast, or released (the code's own steps): the same result")


def nuclear(weights: Tensor, mask: Tensor, seed: int, options: Options) -> Completion:
    """Complete a matrix with the least nuclear norm that agrees with every observed entry.

    *faithful* in its fixed point to the released code of Roots Beneath the Cut (methods.md 3.1 B), and *variant* in
    how it gets there. The released iteration X_miss <- X_miss - s_min polar(X)_miss is gradient descent on ||X||_*
    with the smallest singular value as its step. With X of m <= n rows and polar(X) = (X X^T)^(-1/2) X the gradient
    vanishes exactly where every missing entry is the conditional mean of a Gaussian over the rows with covariance (X
    X^T)^(1/2), so

    * `fast` alternates between that precision P = (X X^T + e^2)^(-1/2) and those conditional means (iteratively
      reweighted least squares: the tangent quadratic of the convex objective is minimised, and a step of 1.2 times
      that still lowers it). Steps run in float32 until they are small, then in float64; the last one, which decides,
      is always float64. e is the square root of the precision times the largest singular value: it only matters when
      the result is singular.
    * `released` is the published step in the exact form by the eigenvalues of X X^T, float64, from column means, with
      the published rule to stop (change over two steps, whole matrix, below `tolerance`).

    The paper's text (Eq. and section 4.1-4.3) describes something else: see `soft_impute`.

    Parameters
    ----------
    weights, mask, seed
        As `regrow.completion.complete_matrix` passes them. Nothing is random here.
    options : Options
        See the class.

    Returns
    -------
    Completion
        Certainty is the magnitude of the recovered value, by which the paper ranks. The objective of the trace is the
        nuclear norm before the step, of the matrix divided by the power of two that makes its largest entry at most 1.
    """
    import torch

    from regrow.complete._nuclear_solvers import solve_as_released, solve_fast
    from regrow.completion import Completion

    if options.solver == "released":
        means = weights.sum(0) / (~mask).sum(0).clamp_min(1)
        weights = torch.where(mask, means, weights)
    wide = weights.shape[0] <= weights.shape[1]
    x, missing = (weights, mask) if wide else (weights.T.contiguous(), mask.T.contiguous())
    solve = solve_fast if options.solver == "fast" else solve_as_released
    x, trace = solve(x, missing, options.tolerance, options.max_steps)
    values = x if wide else x.T
    return Completion(values, values.abs(), trace)

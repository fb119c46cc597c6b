"""The completion of the paper's code: minimum nuclear norm with the observed entries held exactly."""

import math
import time
from typing import Literal

import torch
from torch import Tensor

from regrow.complete import Completion, record
from regrow.complete._conditional import blocks_are_cheaper, conditional_step, near_conditional_step
from regrow.errors import UserError, nearest
from regrow.methods import Count, Positive

SOLVERS = ("fast", "released")
# Any factor below 2 keeps the objective falling; measured on matrices with power-law spectra 1.2 saves a quarter of
# the steps.
LENGTHEN = 1.2


def nuclear(
    weights: Tensor,
    mask: Tensor,
    seed: int = 0,
    *,
    tolerance: Positive = 1e-5,
    max_steps: Count = 500,
    solver: Literal["fast", "released"] = "fast",
) -> Completion:
    """Complete a matrix with the least nuclear norm that agrees with every observed entry.

    *faithful* in its fixed point to the released code of Roots Beneath the Cut (methods.md 3.1 B), and *variant* in
    how it gets there. The released iteration X_miss <- X_miss - s_min polar(X)_miss is gradient descent on ||X||_*
    with the smallest singular value as its step. With X of m <= n rows and polar(X) = (X X^T)^(-1/2) X the gradient
    vanishes exactly where every missing entry is the conditional mean of a Gaussian over the rows with covariance (X
    X^T)^(1/2), so

    * `fast` alternates between that precision P = (X X^T + e^2)^(-1/2) and those conditional means (iteratively
    reweighted least
      squares: the tangent quadratic of the convex objective is minimised, and a step of 1.2 times that still lowers
      it). Steps run in float32 until they are small, then in float64; the last one, which decides, is always float64.
      e is the square root of the precision times the largest singular value: it only matters when the result is
      singular.
    * `released` is the published step in the exact form by the eigenvalues of X X^T, float64, from column means, with
    the published
      rule to stop (change over two steps, whole matrix, below `tolerance`).

    The paper's text (Eq. and section 4.1-4.3) describes something else: see `soft_impute`.

    Parameters
    ----------
    weights, mask, seed
        As `regrow.complete.complete_matrix` passes them. Nothing is random here.
    tolerance : float
        Stop when the relative change ||X_new - X_old||_F / ||X_old||_F is below it.
    max_steps : int
        Stop after so many steps at the latest; a note in the trace tells.
    solver : str
        `fast` or `released`.

    Returns
    -------
    Completion
        Confidence is the magnitude of the recovered value, by which the paper ranks. The objective of the trace is
        the nuclear norm before the step, of the matrix divided by the power of two that makes its largest entry at
        most 1.
    """
    if solver not in SOLVERS:
        raise UserError(f"completer 'nuclear' has no solver '{solver}': {nearest(solver, SOLVERS)}")
    if not tolerance > 0 or max_steps < 1:
        raise UserError(f"completer 'nuclear' needs tolerance > 0 and max_steps >= 1, got {tolerance} and {max_steps}")
    if solver == "released":
        means = weights.sum(0) / (~mask).sum(0).clamp_min(1)
        weights = torch.where(mask, means, weights)
    wide = weights.shape[0] <= weights.shape[1]
    x, missing = (weights, mask) if wide else (weights.T.contiguous(), mask.T.contiguous())
    x, trace = (_fast if solver == "fast" else _released)(x, missing, tolerance, max_steps)
    values = x if wide else x.T
    return Completion(values, values.abs(), trace)


def _fast(x: Tensor, missing: Tensor, tolerance: float, max_steps: int) -> tuple[Tensor, list[dict[str, object]]]:
    start, trace = time.perf_counter(), []
    # Below this change float32 rounding shows; from there on float64 decides.
    coarse = max(tolerance, 1e-4)
    solve = conditional_step if blocks_are_cheaper(missing) else near_conditional_step
    single = x.dtype == torch.float32
    for step in range(1, max_steps + 1):
        values, vectors = torch.linalg.eigh(x @ x.T)
        values = values.clamp_min(0)
        floor = torch.finfo(x.dtype).eps * values[-1]
        precision = (vectors * (values + floor).rsqrt()) @ vectors.T
        move = solve(precision, precision @ x, missing)
        change = float(move.norm() / x.norm())
        x = x - LENGTHEN * move
        trace.append(record(step, float(values.sqrt().sum()), change, time.perf_counter() - start))
        if single and change < coarse:
            x, single = x.double(), False
        elif not single and change < tolerance:
            return x, trace
    trace[-1]["note"] = f"stopped at max_steps = {max_steps} before the change fell below {tolerance:g}"
    return x, trace


def _released(x: Tensor, missing: Tensor, tolerance: float, max_steps: int) -> tuple[Tensor, list[dict[str, object]]]:
    start, trace = time.perf_counter(), []
    x, before_last = x.double(), None
    for step in range(1, max_steps + 1):
        values, vectors = torch.linalg.eigh(x @ x.T)
        values = values.clamp_min(0)
        # tau / s_i, which is 0/0 only for the zero matrix.
        ratio = (values[0] / values.clamp_min(torch.finfo(x.dtype).tiny)).sqrt()
        new = torch.where(missing, x - (vectors * ratio) @ (vectors.T @ x), x)
        change = math.inf if before_last is None else float((new - before_last).norm() / before_last.norm())
        trace.append(record(step, float(values.sqrt().sum()), change, time.perf_counter() - start))
        before_last, x = x, new
        if change < tolerance:
            return x, trace
    trace[-1]["note"] = f"stopped at max_steps = {max_steps} before the change fell below {tolerance:g}"
    return x, trace

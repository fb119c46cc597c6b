"""The completion of the paper's text: nuclear-norm regularised least squares by SoftImpute."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from regrow.complete import Completion, record
from regrow.errors import UserError
from regrow.methods import Count, Fraction, Positive

SPARE = 10  # directions beyond the rank, so that the smallest one wanted is accurate
FIRST_RANK = 30


def soft_impute(
    weights: Tensor,
    mask: Tensor,
    seed: int = 0,
    *,
    shrinkage: Fraction = 0.2,
    path: Count = 4,
    tolerance: Positive = 1e-5,
    max_steps: Count = 300,
) -> Completion:
    """Complete a matrix with the M that minimises 1/2 ||P_O(X - M)||_F^2 + lambda ||M||_*.

    *faithful* to sections 4.1-4.3 of Roots Beneath the Cut (methods.md 3.1 A): Z = P_O(X) + P_miss(M), M <- S(Z) with
    S(Y) = U diag((s - lambda)_+) V^T, along a decreasing path of lambda with warm starts, by truncated SVD. The
    paper states no lambda: the default is our choice (*interpretation*), a share of the largest singular value.
    How the same minimum is reached is *variant*:

    * M is kept as its factors and only evaluated at the missing entries. Where the paper stores "sparse + low rank",
      nearly everything is observed here, so the sparse part is what is missing: it is written into one working copy.
    * The SVD is a randomised subspace iteration that starts from the last step's subspace and grows it until a singular
      value at most lambda is inside. When that takes more than a third of the rows, an exact eigendecomposition of
      Z Z^T in float64 is cheaper and replaces it.
    * Steps are extrapolated (FISTA) and restarted when they overshoot.

    Parameters
    ----------
    weights, mask, seed
        As `regrow.complete.complete_matrix` passes them. The seed draws the first subspace and its extensions.
    shrinkage : float
        lambda divided by the largest singular value of the matrix with zeros at the missing entries, in (0, 1).
        fancyimpute's default is 1/50.
    path : int
        Number of values of lambda, geometrically spaced from half the largest singular value down; 1 = no path.
    tolerance : float
        Stop when the change of the missing entries in a step, divided by the norm of the matrix, is below it.
    max_steps : int
        Stop after so many steps over the whole path at the latest; a note in the trace tells.

    Returns
    -------
    Completion
        Confidence is the magnitude of the recovered value. The objective of the trace is the minimised sum, of the
        matrix divided by the power of two that makes its largest entry at most 1.
    """
    if not 0 < shrinkage < 1 or path < 1 or not tolerance > 0 or max_steps < 1:
        raise UserError(
            "completer 'soft_impute' needs 0 < shrinkage < 1, path >= 1, tolerance > 0 and max_steps >= 1, "
            f"got {shrinkage}, {path}, {tolerance} and {max_steps}"
        )
    wide = weights.shape[0] <= weights.shape[1]
    x, missing = (weights, mask) if wide else (weights.T.contiguous(), mask.T.contiguous())
    largest = float(torch.linalg.matrix_norm(x.double(), 2))
    top = max(shrinkage, 0.5)
    lambdas = [largest * shrinkage * (top / shrinkage) ** (1 - i / max(path - 1, 1)) for i in range(path)]
    lambdas[-1] = largest * shrinkage
    filled, trace = _solve(x.clone(), missing, lambdas, seed, tolerance, max_steps)
    values = filled if wide else filled.T
    return Completion(values, values.abs(), trace)


def _solve(
    z: Tensor, missing: Tensor, lambdas: list[float], seed: int, tolerance: float, max_steps: int
) -> tuple[Tensor, list[dict[str, Any]]]:
    """Run SoftImpute down the path; `z` carries the observed entries and is filled in place."""
    start = time.perf_counter()
    trace: list[dict[str, Any]] = []
    norm, observed_square = float(z.norm()), float(z.double().square().sum())
    subspace = _Subspace(z, seed)
    fill = torch.zeros(int(missing.sum()), dtype=z.dtype, device=z.device)
    for i, shrink in enumerate(lambdas):
        # The inner points of the path only have to lead the way.
        enough = tolerance if i == len(lambdas) - 1 else 30 * tolerance
        momentum, guess = 1.0, fill
        while len(trace) < max_steps:
            z[missing] = guess
            left, singular, right = subspace.shrunk(z, shrink)
            new = _evaluate(left * singular, right, missing).to(z.dtype)
            change = float((new - guess).norm()) / norm
            # ||P_O(X - M)||^2 without forming M: <P_O(X), M> = <Z, M> - <P_miss(Z), P_miss(M)>.
            inner = float((singular * (singular + shrink)).sum()) - float((guess * new).sum())
            fit = observed_square - 2 * inner + float(singular.square().sum()) - float(new.square().sum())
            objective = max(fit, 0.0) / 2 + shrink * float(singular.sum())
            trace.append(record(len(trace) + 1, objective, change, time.perf_counter() - start))
            if float(((guess - new) * (new - fill)).sum()) > 0:
                momentum = 1.0
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            guess = new + (momentum - 1) / following * (new - fill)
            fill, momentum = new, following
            if change < enough:
                break
        else:
            trace[-1]["note"] = f"stopped at max_steps = {max_steps} before the change fell below {tolerance:g}"
            break
    z[missing] = fill
    return z, trace


class _Subspace:
    """The leading right singular vectors of a slowly changing matrix."""

    def __init__(self, z: Tensor, seed: int) -> None:
        self.generator = torch.Generator("cpu").manual_seed(seed)
        self.limit = z.shape[0] // 3
        self.basis = self._random(z, min(FIRST_RANK, self.limit))
        self.warm = False

    def _random(self, z: Tensor, count: int) -> Tensor:
        # Drawn on the CPU, so that every device gets the same numbers.
        return torch.randn(z.shape[1], count, generator=self.generator, device="cpu").to(z)

    def shrunk(self, z: Tensor, shrink: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return U, (s - shrink)_+ and V of the singular values above `shrink`."""
        while self.basis.shape[1] <= self.limit and self.limit > SPARE:
            for _ in range(1 if self.warm else 4):
                left = torch.linalg.qr(z @ self.basis)[0]
                right, triangle = torch.linalg.qr(z.T @ left)
                turn, singular, back = torch.linalg.svd(triangle)
                self.basis = right @ turn
            self.warm = True
            if singular[-SPARE] <= shrink:
                keep = singular > shrink
                return left @ back.T[:, keep], singular[keep] - shrink, self.basis[:, keep]
            self.basis = torch.cat([self.basis, self._random(z, self.basis.shape[1])], 1)
            self.warm = False
        self.limit = 0
        return _exact(z.double(), shrink)


def _exact(z: Tensor, shrink: float) -> tuple[Tensor, Tensor, Tensor]:
    values, left = torch.linalg.eigh(z @ z.T)
    keep = values > shrink**2
    singular = values[keep].sqrt()
    return left[:, keep], singular - shrink, (z.T @ left[:, keep]) / singular


def _evaluate(left: Tensor, right: Tensor, missing: Tensor) -> Tensor:
    """Return left @ right.T at the missing entries, in row-major order, without forming it."""
    blocks = range(0, missing.shape[0], 256)
    return torch.cat([(left[i : i + 256] @ right.T)[missing[i : i + 256]] for i in blocks])

"""SoftImpute by a randomised subspace iteration with extrapolated steps; see `regrow.complete.soft_impute`."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from regrow.completion import record

SPARE = 10  # directions beyond the rank, so that the smallest one wanted is accurate
FIRST_RANK = 30


def solve(
    z: Tensor, missing: Tensor, lambdas: list[float], seed: int, tolerance: float, max_steps: int
) -> tuple[Tensor, list[dict[str, Any]]]:
    """Run SoftImpute down the path; `z` carries the observed entries and is filled in place."""
    start = time.perf_counter()
    trace: list[dict[str, Any]] = []
    norm, observed_square = float(z.norm()), float(z.double().square().sum())
    subspace = Subspace(z, seed)
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


class Subspace:
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
        return exact(z.double(), shrink)


def exact(z: Tensor, shrink: float) -> tuple[Tensor, Tensor, Tensor]:
    values, left = torch.linalg.eigh(z @ z.T)
    keep = values > shrink**2
    singular = values[keep].sqrt()
    return left[:, keep], singular - shrink, (z.T @ left[:, keep]) / singular


def _evaluate(left: Tensor, right: Tensor, missing: Tensor) -> Tensor:
    """Return left @ right.T at the missing entries, in row-major order, without forming it."""
    blocks = range(0, missing.shape[0], 256)
    return torch.cat([(left[i : i + 256] @ right.T)[missing[i : i + 256]] for i in blocks])

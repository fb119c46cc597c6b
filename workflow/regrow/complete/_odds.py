"""The logistic regression of `regrow.complete.combined`: from two completers' guesses to the odds of a sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrow.completion import Completion, complete_matrix

if TYPE_CHECKING:
    from regrow.complete.combined import Options

STEPS = 50  # of Newton's method, which needs about five
STOP = 1e-9


def signed_evidence(
    weights: Tensor, missing: Tensor, where: Tensor, seed: int, options: Options
) -> tuple[Tensor, Completion]:
    """Complete by both completers and return (entries of `where`, 2) of signed evidence, and the posterior itself.

    Columns: the signed log odds of `gaussian_posterior`; the value of `nuclear` over its root mean square in the hole.
    """
    device = str(weights.device)
    posterior = complete_matrix(weights, missing, "gaussian_posterior", options.posterior, seed, device)
    nuclear = complete_matrix(weights, missing, "nuclear", options.nuclear, seed, device).values
    where, missing = where.cpu(), missing.cpu()
    unit = nuclear[missing].double().square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    odds = (posterior.certainty * posterior.values.sign())[where].double()
    return torch.stack([odds, nuclear[where].double() / unit], 1), posterior


def fit_odds(evidence: Sequence[Tensor], known: Sequence[Tensor], strength: float) -> Tensor:
    """Return (a, b), float64, of the highest posterior likelihood of the known signs, (1, 0) where none is known.

    Parameters
    ----------
    evidence : sequence of Tensor
        (n, 2) each; see `signed_evidence`.
    known : sequence of Tensor
        (n,) each: the true weights. A weight of 0 has no sign and is left out.
    strength : float
        Of the ridge towards (1, 0).
    """
    prior = torch.tensor([1.0, 0.0], dtype=torch.float64)
    if not evidence:
        return prior
    x, true = torch.cat(list(evidence)), torch.cat(list(known))
    x, positive = x[true != 0], (true[true != 0] > 0).double()

    def loss(coefficients: Tensor) -> Tensor:
        """Return minus the log of the posterior likelihood, which is convex."""
        odds, away = x @ coefficients, coefficients - prior
        return torch.nn.functional.softplus(odds).sum() - odds @ positive + strength / 2 * (away @ away)

    found, before = prior, loss(prior)
    for _ in range(STEPS):
        p = torch.sigmoid(x @ found)
        gradient = x.T @ (p - positive) + strength * (found - prior)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + strength * torch.eye(2, dtype=torch.float64)
        step = torch.linalg.solve(curvature, gradient)
        # Where odds are far from the truth Newton leaps too far: halve until the loss falls.
        while float(step.norm()) >= STOP and loss(found - step) >= before:
            step = step / 2
        if float(step.norm()) < STOP:
            break
        found, before = found - step, loss(found - step)
    return found


def weigh(
    evidence: Tensor, coefficients: Tensor, posterior: Completion, missing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, certainty and deviation, each (m, n) in float32, of the weighed evidence at missing entries."""
    odds = torch.zeros_like(posterior.values)
    odds[missing] = (evidence @ coefficients).float()
    assert posterior.deviation is not None  # gaussian_posterior tells it
    square = (posterior.values.square() + posterior.deviation.square()).masked_fill(~missing, 0.0)
    square = square.masked_fill(square.isinf(), 0.0)  # rows and columns of which nothing is left
    values = torch.where(missing, odds.sign() * (2 * torch.sigmoid(odds.abs()) - 1) * square.sqrt(), posterior.values)
    deviation = (square - values.square()).clamp_min(0).sqrt()
    return values, odds.abs(), deviation

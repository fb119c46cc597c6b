"""The mask as the attacker sees it: inferred from one published weight matrix and nothing else."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.model.zeros import count_zeros

METHODS = ("zeros", "threshold", "mixture")
BINS_PER_OCTAVE = 32
OCTAVES = 64  # below 2^-64 of the largest entry every magnitude counts as one
EM_STEPS = 500


@dataclass(frozen=True)
class InferredMask:
    """What one matrix shows of the cut.

    Attributes
    ----------
    missing : Tensor
        bool, True where the entry is taken for pruned.
    probability : Tensor
        float32 in [0, 1], of being pruned; 0 or 1 unless the method is `mixture`.
    method : str
        How it was inferred.
    details : dict of str to float
        `negative_zeros` for the method `zeros`, `threshold` for that method; `share`, `narrow` and `wide` (standard
        deviations) for the mixture.
    """

    missing: Tensor
    probability: Tensor
    method: str
    details: dict[str, float]


def infer_mask(weights: Tensor, method: str = "zeros", threshold: float | None = None) -> InferredMask:
    """Guess from a published matrix which of its entries were pruned.

    Parameters
    ----------
    weights : Tensor
        Floating point, any shape.
    method : str
        `zeros`: entries that are exactly 0, of either sign; how many are -0.0 is told, for where both kinds stand the
        sign bit tells the sign of what was pruned. An original weight that is 0 cannot be told apart and is taken
        for pruned.
        `threshold`: magnitude at most `threshold`, in units of the weights.
        `mixture`: a scale mixture of two zero-mean Gaussians, a narrow one for the filled entries and a wide one for
        the observed ones, fitted to this matrix by expectation maximisation; an entry is missing when its probability
        of being narrow exceeds 1/2. Exact zeros are simply the narrowest fill. The fit always finds a narrow component,
        also in a heavy-tailed matrix that nobody touched, so read `share` and the two widths before believing it.
    threshold : float
        For `threshold` only.

    Returns
    -------
    InferredMask

    Notes
    -----
    *interpretation*: the paper's attack reads exact zeros (methods.md 3.1); threshold and mixture are the adaptive
    attack of section 4. The mixture's probability is p(w) of Eq. 4 with densities in place of the interval masses.

    Raises
    ------
    UserError
        Unknown method, missing or negative threshold, NaN or infinite weights.
    """
    if method not in METHODS:
        raise UserError(f"unknown mask method '{method}': {nearest(method, METHODS)}")
    if not torch.isfinite(weights).all():
        raise UserError("the weights hold NaN or infinite entries: repair the model file before inferring a mask")
    if (threshold is None) == (method == "threshold"):
        verb = "needs" if threshold is None else "takes no"
        raise UserError(f"mask method '{method}' {verb} threshold: change one of the two")
    magnitude = weights.detach().to(torch.float64).abs()
    if method == "mixture":
        probability, details = _mixture(magnitude)
        return InferredMask(probability > 0.5, probability.float(), method, details)
    if threshold is not None and not threshold >= 0:
        raise UserError(f"the threshold must be at least 0, but is {threshold}: give a magnitude of weights")
    missing = magnitude <= (threshold or 0.0)
    found = count_zeros([weights])
    details = {"negative_zeros": float(found.negative)} if threshold is None else {"threshold": threshold}
    return InferredMask(missing, missing.float(), method, details)


def _mixture(magnitude: Tensor) -> tuple[Tensor, dict[str, float]]:
    peak = float(magnitude.max()) if magnitude.numel() else 0.0
    if peak == 0:
        return torch.ones_like(magnitude), {"share": 1.0, "narrow": 0.0, "wide": 0.0}
    # EM on a histogram of log2|w|: its cost does not grow with the matrix, and 1/32 octave is fine enough.
    place = ((magnitude / peak).clamp_min(2.0**-OCTAVES).log2() * BINS_PER_OCTAVE).round()
    values, counts = torch.unique(place, return_counts=True)
    squares = torch.exp2(2 * values / BINS_PER_OCTAVE)
    counts = counts.double() / counts.sum()
    total = float((counts * squares).sum())
    # Narrow components of very different widths to start from: EM is local, the best likelihood wins.
    starts = [(share, total * 2.0**-shift) for shift in (2, 6, 12, 24, 48, 96) for share in (0.02, 0.2)]
    _, share, narrow, wide = max(_em(squares, counts, share, narrow, total) for share, narrow in starts)
    probability = torch.sigmoid(_logit((magnitude / peak).clamp_min(2.0**-OCTAVES) ** 2, share, narrow, wide))
    return probability, {"share": share, "narrow": math.sqrt(narrow) * peak, "wide": math.sqrt(wide) * peak}


def _logit(squares: Tensor, share: float, narrow: float, wide: float) -> Tensor:
    """Return the log odds of the narrow component, given variances."""
    return math.log(share / (1 - share)) + 0.5 * math.log(wide / narrow) - 0.5 * squares * (1 / narrow - 1 / wide)


def _em(squares: Tensor, counts: Tensor, share: float, narrow: float, wide: float) -> tuple[float, float, float, float]:
    """Return (log likelihood, share, narrow variance, wide variance) after EM from one start."""
    floor, last = 4.0**-OCTAVES, -math.inf
    for _ in range(EM_STEPS):
        logit = _logit(squares, share, narrow, wide)
        weight = torch.sigmoid(logit) * counts
        # log of the mixture = log of its wide part + log(1 + odds); constants of the Gaussian density left out.
        tail = math.log(1 - share) - 0.5 * math.log(wide) - 0.5 * squares / wide
        likelihood = float((counts * (tail + torch.nn.functional.softplus(logit))).sum())
        if likelihood - last < 1e-10:
            break
        last = likelihood
        share = min(max(float(weight.sum()), 1e-12), 1 - 1e-12)
        narrow = max(float((weight * squares).sum()) / share, floor)
        wide = max(float(((counts - weight) * squares).sum()) / (1 - share), narrow)
    return likelihood, share, narrow, wide

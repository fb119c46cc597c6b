"""Confidence intervals of a share."""

from math import sqrt
from statistics import NormalDist


def wilson(correct: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the Wilson score interval of `correct` out of `n`, without continuity correction.

    With p = correct / n and z the two-sided normal quantile of `confidence`, the limits are
    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).

    Parameters
    ----------
    correct, n : int
        Successes and trials, 0 <= correct <= n and n >= 1.
    confidence : float
        Share of repeated experiments whose interval holds the true value, between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper limit, both in [0, 1] and around p.

    Raises
    ------
    ValueError
        When there is no trial, or not between 0 and n successes.
    """
    if not 0 <= correct <= n or n < 1:
        raise ValueError(f"{correct} of {n} is no share")
    p, z = correct / n, NormalDist().inv_cdf((1 + confidence) / 2)
    middle = p + z * z / (2 * n)
    reach = z * sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    scale = 1 + z * z / n
    # At 0 and n the limit is p itself; rounding must not put it on the wrong side.
    return min(max((middle - reach) / scale, 0.0), p), max(min((middle + reach) / scale, 1.0), p)

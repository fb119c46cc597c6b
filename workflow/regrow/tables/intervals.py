"""Confidence intervals of shares."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DIGITS = 6


def wilson(correct: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the Wilson score intervals of `correct` out of `n`, without continuity correction.

    With p = correct / n and z the two-sided normal quantile of `level`, the limits are
    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). Six lines of our own, because scipy and statsmodels are
    no dependency of anything else here.

    Parameters
    ----------
    correct, n : array_like of int
        Successes and trials, 0 <= correct <= n and n >= 1.
    level : float
        Share of repeated experiments whose interval holds the true value, between 0 and 1.

    Returns
    -------
    tuple of ndarray
        Lower and upper limits, in [0, 1] and around p.
    """
    import numpy as np

    correct, n = np.asarray(correct, dtype=float), np.asarray(n, dtype=float)
    if np.any((correct < 0) | (correct > n) | (n < 1)):
        raise ValueError("a share needs 0 <= correct <= n and n >= 1")
    p, z = correct / n, NormalDist().inv_cdf((1 + level) / 2)
    middle = p + z * z / (2 * n)
    reach = z * np.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    scale = 1 + z * z / n
    # At 0 and n the limit is p itself; rounding must not put it on the wrong side.
    low = np.minimum(np.maximum((middle - reach) / scale, 0.0), p)
    return low, np.maximum(np.minimum((middle + reach) / scale, 1.0), p)


def with_wilson(table: pd.DataFrame, level: float, correct: str = "correct", n: str = "n") -> pd.DataFrame:
    """Return the table with `accuracy` = correct / n and its interval `low`, `high`, rounded.

    A row whose `n` is missing is a blank and stays one; a row of n = 0 has no share and must be left out before.
    """
    import pandas as pd

    found = table.assign(accuracy=float("nan"), low=float("nan"), high=float("nan"))
    there = found[n].notna()
    if there.any():
        right, trials = found.loc[there, correct].astype(float), found.loc[there, n].astype(float)
        low, high = wilson(right, trials, level)
        shares = pd.DataFrame({"accuracy": right / trials, "low": low, "high": high}, index=right.index)
        for column in shares:
            found.loc[there, column] = rounded(shares[column])
    return found


def rounded(values: Iterable[float]) -> list[float]:
    """Round as Python does, to the nearest decimal; numpy's way (scale, then round) differs in the last digit."""
    return [round(float(value), DIGITS) for value in values]

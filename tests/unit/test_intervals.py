"""The Wilson interval against numbers worked by hand and against its definition."""

from math import sqrt
from statistics import NormalDist

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.tables.intervals import rounded, wilson, with_wilson


def test_half_of_hundred_by_hand() -> None:
    # z = 1.959964: (0.5 + 0.019207 -+ 1.959964 * sqrt(0.0025 + 0.000096036)) / 1.0384146
    assert wilson(50, 100, 0.95) == (pytest.approx(0.403832, abs=1e-6), pytest.approx(0.596168, abs=1e-6))


def test_none_and_all_of_ten_by_hand() -> None:
    # 0 to (z^2/10) / (1 + z^2/10) with z^2 = 3.841459
    low, high = wilson([0, 10], [10, 10], 0.95)
    assert low.tolist() == [0.0, pytest.approx(1 - 0.277533, abs=1e-6)]
    assert high.tolist() == [pytest.approx(0.277533, abs=1e-6), 1.0]


@given(st.integers(1, 5000), st.data(), st.floats(0.5, 0.999))
def test_limits_solve_the_score_equation(n: int, data: st.DataObject, level: float) -> None:
    """At a limit q the observed share is z standard errors away, sqrt(q(1-q)/n) each."""
    correct = data.draw(st.integers(0, n))
    share, z = correct / n, NormalDist().inv_cdf((1 + level) / 2)
    low, high = (float(limit) for limit in wilson(correct, n, level))
    assert 0 <= low <= share <= high <= 1
    for limit in (low, high):
        assert abs(share - limit) == pytest.approx(z * sqrt(limit * (1 - limit) / n), abs=1e-9)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_no_share_is_an_error(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= correct <= n"):
        wilson(correct, n, 0.95)


def test_a_blank_stays_a_blank() -> None:
    table = pd.DataFrame({"n": pd.array([4, None], dtype="Int64"), "correct": pd.array([1, None], dtype="Int64")})
    found = with_wilson(table, 0.95)
    assert found["accuracy"].iloc[0] == 0.25
    assert found[["accuracy", "low", "high"]].iloc[1].isna().all()


def test_rounding_is_pythons() -> None:
    """Numpy scales first and would give 4e-06, while the number as stored is below the half."""
    assert rounded([3.5e-06]) == [3e-06]

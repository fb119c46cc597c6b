"""Predicted against observed sign accuracy, counted by hand; pooled in test_recovery_tables.py."""

import math

import pytest
import torch

from regrow.evaluate.reliability import reliability_table
from regrow.model.completed import Completed

# Four signs guessed, one entry recovered as 0, one that was 0 before pruning, one observed.
TRUE = torch.tensor([[1.0, -1.0, 1.0, 1.0, 1.0, 0.0, 1.0]])
RECOVERED = torch.tensor([[0.4, 0.3, -0.2, 0.1, 0.0, 0.5, 9.0]])
MISSING = torch.tensor([[1, 1, 1, 1, 1, 1, 0]], dtype=torch.bool)
# log odds of 0.9, 0.8, 0.7 and 0.6; right, wrong, wrong, right
CERTAINTY = torch.tensor([[math.log(9), math.log(4), math.log(7 / 3), math.log(1.5), 0.0, 3.0, 0.0]])


def completed(meaning: str, **layers: torch.Tensor) -> Completed:
    values = dict.fromkeys(layers, RECOVERED)
    return Completed(values, layers, dict.fromkeys(layers, MISSING), "digest", meaning)


def test_bins_of_a_prediction_by_hand() -> None:
    rows = reliability_table({"a": TRUE}, completed("log_odds", a=CERTAINTY), 2)
    assert [(row["layer"], row["bin"], row["n"], row["correct"]) for row in rows] == [
        ("a", 1, 2, 1),
        ("a", 2, 2, 1),
        ("all", 1, 2, 1),
        ("all", 2, 2, 1),
    ]
    assert [(row["low"], row["predicted"], row["high"]) for row in rows[:2]] == [
        pytest.approx((0.6, 0.65, 0.7)),
        pytest.approx((0.8, 0.85, 0.9)),
    ]


def test_deviations_are_of_a_normal() -> None:
    (row, _) = reliability_table({"a": TRUE}, completed("deviations", a=torch.full_like(TRUE, 1.959964)), 2)[:2]
    assert row["predicted"] == pytest.approx(0.975)


def test_an_order_predicts_nothing_and_is_one_within_a_layer() -> None:
    # Layer b has its entries by falling, not rising, certainty and is a thousand times as sure.
    layers = {"a": CERTAINTY, "b": 1000 / CERTAINTY.clamp_min(0.1)}
    rows = reliability_table({"a": TRUE, "b": TRUE}, completed("order", **layers), 4)
    found = {(row["layer"], row["bin"]): (row["n"], row["correct"], row["low"], row["predicted"]) for row in rows}
    assert [found["a", number][1] for number in (1, 2, 3, 4)] == [1, 0, 0, 1]
    assert found["all", 1] == (2, 2, 0.0, None)  # the least sure of a is right and so is that of b
    probable = reliability_table({"a": TRUE, "b": TRUE}, completed("log_odds", **layers), 4)
    assert [row["correct"] for row in probable if row["layer"] == "all"] == [1, 1, 1, 1]  # a first, then b


def test_fewer_signs_than_bins_leave_bins_out() -> None:
    rows = reliability_table({"a": TRUE}, completed("order", a=CERTAINTY), 9)
    assert sum(row["n"] for row in rows if row["layer"] == "a") == 4
    assert all(row["n"] == 1 for row in rows)

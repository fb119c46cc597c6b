"""Predicted against observed sign accuracy, by hand: counted, pooled and summed up as a calibration error."""

import math

import pytest
import torch

from regrow.compare.reliability import reliability_table
from regrow.models import Completed
from regrow.paper.both_sides import ConfidenceBin
from regrow.paper.reliability import calibration_error, calibration_errors, reliability

# Four signs guessed, one entry recovered as 0, one that was 0 before pruning, one observed.
TRUE = torch.tensor([[1.0, -1.0, 1.0, 1.0, 1.0, 0.0, 1.0]])
RECOVERED = torch.tensor([[0.4, 0.3, -0.2, 0.1, 0.0, 0.5, 9.0]])
MISSING = torch.tensor([[1, 1, 1, 1, 1, 1, 0]], dtype=torch.bool)
# log odds of 0.9, 0.8, 0.7 and 0.6; right, wrong, wrong, right
CONFIDENCE = torch.tensor([[math.log(9), math.log(4), math.log(7 / 3), math.log(1.5), 0.0, 3.0, 0.0]])


def completed(meaning: str, **layers: torch.Tensor) -> Completed:
    values = dict.fromkeys(layers, RECOVERED)
    return Completed(values, layers, dict.fromkeys(layers, MISSING), "digest", meaning)


def test_bins_of_a_prediction_by_hand() -> None:
    rows = reliability_table({"a": TRUE}, completed("log_odds", a=CONFIDENCE), 2)
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
    # Layer b has its entries by falling, not rising, confidence and is a thousand times as sure.
    layers = {"a": CONFIDENCE, "b": 1000 / CONFIDENCE.clamp_min(0.1)}
    rows = reliability_table({"a": TRUE, "b": TRUE}, completed("order", **layers), 4)
    found = {(row["layer"], row["bin"]): (row["n"], row["correct"], row["low"], row["predicted"]) for row in rows}
    assert [found["a", number][1] for number in (1, 2, 3, 4)] == [1, 0, 0, 1]
    assert found["all", 1] == (2, 2, 0.0, None)  # the least sure of a is right and so is that of b
    probable = reliability_table({"a": TRUE, "b": TRUE}, completed("log_odds", **layers), 4)
    assert [row["correct"] for row in probable if row["layer"] == "all"] == [1, 1, 1, 1]  # a first, then b


def test_fewer_signs_than_bins_leave_bins_out() -> None:
    rows = reliability_table({"a": TRUE}, completed("order", a=CONFIDENCE), 9)
    assert sum(row["n"] for row in rows if row["layer"] == "a") == 4
    assert all(row["n"] == 1 for row in rows)


def bin_of(concept: str, number: int, predicted: float | None, n: int, correct: int) -> ConfidenceBin:
    return ConfidenceBin("cut", "guess", concept, "all", number, 0.5, 1.0, predicted, n, correct)


def test_pooled_bins_and_calibration_error_by_hand() -> None:
    bins = [
        bin_of("a", 1, 0.6, 30, 15),
        bin_of("a", 2, 0.9, 30, 27),
        bin_of("b", 1, 0.5, 10, 9),
        bin_of("b", 2, 0.8, 10, 5),
    ]
    lines = reliability(bins, 0.95)
    whole = [line for line in lines if line.concept == "all"]
    # (30 * .6 + 10 * .5) / 40 and (30 * .9 + 10 * .8) / 40
    assert [(line.n, line.correct, line.predicted) for line in whole] == [(40, 24, 0.575), (40, 32, 0.875)]
    assert calibration_error([line for line in lines if line.concept == "a"]) == pytest.approx((0.1 + 0) / 2)
    assert calibration_errors(lines) == {("cut", "guess"): pytest.approx((0.025 + 0.075) / 2)}
    # 24 of 40 by Wilson
    assert (whole[0].accuracy_low, whole[0].accuracy_high) == pytest.approx((0.445999, 0.736534), abs=1e-4)


def test_an_order_has_no_calibration_error() -> None:
    lines = reliability([bin_of("a", 1, None, 10, 5)], 0.95)
    assert lines[0].predicted is None
    assert calibration_error(lines) is None
    assert calibration_errors(lines) == {}

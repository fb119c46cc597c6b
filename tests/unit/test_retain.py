"""`retain: auto`: how many signs, by hand, against a slow search, and against the truth."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.attack._retain import least_agreement, surest_signs
from regrow.attack.roots import Options, roots
from regrow.complete._certainty import sign_probability
from regrow.errors import UserError
from regrow.model.completed import Completed
from regrow.model.published import PublishedWeights
from tests.unit.erasing import weights

A, B = "unet.a.ff.net.2.weight", "unet.b.ff.net.2.weight"
AUTO = Options(retain="auto", magnitude="max", rank="certainty", seed=2021)


def log_odds(*probabilities: float) -> list[float]:
    return [math.log(p / (1 - p)) for p in probabilities]


def completed(meaning: Any = "log_odds") -> Completed:
    """Two layers; the first column is observed. a: p = .9, .55, .8; b: p = .7, .5, .51."""
    missing = torch.tensor([[False, True, True, True]])
    values = {A: torch.tensor([[2.0, -1.0, 1.0, 1.0]]), B: torch.tensor([[4.0, 1.0, 1.0, -1.0]])}
    sure = {
        A: torch.tensor([[0.0, *log_odds(0.9, 0.55, 0.8)]]),
        B: torch.tensor([[0.0, *log_odds(0.7, 0.5, 0.51)]]),
    }
    return Completed(values, sure, dict.fromkeys(values, missing), "digest", meaning)


def published() -> PublishedWeights:
    return weights(**{A: torch.tensor([[2.0, 0.0, 0.0, 0.0]]), B: torch.tensor([[4.0, 0.0, 0.0, 0.0]])})


def test_probabilities_by_hand() -> None:
    assert sign_probability(torch.tensor([0.0, math.log(3.0)]), "log_odds").tolist() == pytest.approx([0.5, 0.75])
    # Phi(1) and Phi(1.96) of any table.
    found = sign_probability(torch.tensor([0.0, 1.0, 1.96]), "deviations").tolist()
    assert found == pytest.approx([0.5, 0.841345, 0.975002], abs=1e-6)


def test_the_number_of_signs_by_hand() -> None:
    # c = 2p - 1 = .8 .6 .4 .1 .02 0; sums .8 1.4 1.8 1.9 1.92 1.92, divided by the roots of 1 to 6:
    # .8 .990 1.039 .95 .859 .784. Three are retained: .9 and .8 of the first layer, .7 of the second.
    retained = surest_signs(completed())
    assert retained[A].tolist() == [[False, True, False, True]]
    assert retained[B].tolist() == [[False, True, False, False]]
    revived = roots(published(), completed(), AUTO)
    # One weight is left per row: its deviation is 0, every draw is that weight, and the maximum is (1 + 1e-6) times it.
    assert revived[A][0].tolist() == pytest.approx([2.0, -2.0, 0.0, 2.0], rel=1e-5)
    assert revived[B][0].tolist() == pytest.approx([4.0, 4.0, 0.0, 0.0], rel=1e-5)


def test_equally_sure_signs_are_retained_together_and_unknown_ones_never() -> None:
    assert least_agreement(torch.full((7,), 0.01, dtype=torch.float64)) == 0.01
    assert least_agreement(torch.zeros(7, dtype=torch.float64)) == math.inf
    assert least_agreement(torch.zeros(0, dtype=torch.float64)) == math.inf
    assert least_agreement(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)) == 1.0


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.3, 0.31, 0.5, 0.9, 1.0]), min_size=1, max_size=12))
def test_no_other_number_of_signs_agrees_better(agreement: list[float]) -> None:
    threshold = least_agreement(torch.tensor(agreement, dtype=torch.float64))
    retained = [c for c in agreement if c >= threshold]
    cosine = sum(retained) / math.sqrt(len(retained)) if retained else 0.0
    best = sorted(agreement, reverse=True)
    for count in range(1, len(best) + 1):
        assert cosine >= sum(best[:count]) / math.sqrt(count) - 1e-12
    if retained and min(retained) < max(agreement):
        assert min(retained) > sum(retained) / len(retained) / 2  # the rule of the docstring


def test_where_probabilities_are_right_no_fixed_share_comes_nearer_to_the_truth() -> None:
    generator = torch.Generator().manual_seed(0)
    certainty = torch.randn(200, 200, generator=generator).abs() * torch.tensor([0.2, 2.0]).repeat_interleave(100)
    true = torch.where(torch.rand(200, 200, generator=generator) < sign_probability(certainty, "log_odds"), 1.0, -1.0)
    all_missing = torch.ones(200, 200, dtype=torch.bool)
    done = Completed({A: torch.ones(200, 200)}, {A: certainty}, {A: all_missing}, "digest", "log_odds")

    def cosine(retained: torch.Tensor) -> float:
        return float(true[retained].sum()) / math.sqrt(int(retained.sum()) * true.numel())

    chosen = cosine(surest_signs(done)[A])
    order = certainty.flatten().sort(descending=True).values
    for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        assert chosen > cosine(certainty >= order[int(share * order.numel()) - 1]) - 0.003


def test_a_completer_without_probabilities_cannot_choose() -> None:
    with pytest.raises(UserError, match="ranks signs but tells no probability: name an entry of complete_weights"):
        roots(published(), completed("order"), AUTO)

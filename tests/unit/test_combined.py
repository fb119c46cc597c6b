"""Weighing two completers by a second cut: the regression alone, and what it does to odds that are known to be off."""

import pytest
import torch

from regrow.complete import combined as module
from regrow.complete._odds import fit_odds
from regrow.completion import Completion
from tests.unit.erasing import COMPLETERS, complete


def evidence(a: float, b: float, n: int = 20_000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return evidence and true weights whose signs have the log odds a L + b x."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=draw, dtype=torch.float64)
    positive = torch.rand(n, generator=draw, dtype=torch.float64) < torch.sigmoid(a * x[:, 0] + b * x[:, 1])
    return x, torch.where(positive, 0.5, -0.5)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (2.0, 0.0), (0.5, 1.0), (0.0, 1.5)])
def test_the_regression_finds_the_odds_that_made_the_signs(a: float, b: float) -> None:
    x, true = evidence(a, b)
    found = fit_odds([x[:5000], x[5000:]], [true[:5000], true[5000:]], 1.0)
    assert found.tolist() == pytest.approx([a, b], abs=0.07)


def test_it_stays_with_the_first_completer_where_little_is_known() -> None:
    assert fit_odds([], [], 25.0).tolist() == [1.0, 0.0]
    x, true = evidence(0.0, 3.0, n=3)
    assert fit_odds([x], [true], 1e6).tolist() == pytest.approx([1.0, 0.0], abs=1e-3)
    nothing = torch.zeros_like(true)  # a weight of 0 has no sign
    assert fit_odds([x], [nothing], 25.0).tolist() == [1.0, 0.0]


def test_odds_without_end_do_not_throw_it_off() -> None:
    x, true = evidence(1.0, 0.0, n=500)
    sure = x * 1e4  # every sign claimed for certain, and wrong in a third of the cases
    a, b = fit_odds([sure], [true], 1.0).tolist()
    assert abs(a) < 0.01 and abs(b) < 0.01


def expected_error(done: Completion, weights: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the expected calibration error in ten bins of equal count."""
    p = torch.sigmoid(done.certainty[mask].double())
    right = (done.values.sign() == weights.sign())[mask].double()
    bins = p.argsort().chunk(10)
    return sum(abs(float(p[part].mean() - right[part].mean())) * len(part) for part in bins) / len(p)


def heavy_tailed(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights with a few strong directions and heavy tails, which no Gaussian fits, cut as a pruner does it."""
    draw = torch.Generator().manual_seed(seed)
    weights = torch.randn(48, 6, generator=draw) @ torch.randn(6, 192, generator=draw)
    weights += 1.5 * torch.randn(48, 192, generator=draw) * torch.randn(48, 192, generator=draw).exp()
    score = weights.abs() * torch.randn(192, generator=draw).exp()
    return weights, score >= score.quantile(0.86, dim=1, keepdim=True)


def test_probabilities_are_put_right() -> None:
    before = after = 0.0
    for seed in range(4):
        weights, mask = heavy_tailed(seed)
        before += expected_error(complete(weights * ~mask, mask, "gaussian_posterior"), weights, mask) / 4
        after += expected_error(complete(weights * ~mask, mask, "combined"), weights, mask) / 4
    assert after < 0.8 * before


def test_the_trace_tells_the_weights_and_the_values_follow_the_odds() -> None:
    weights, mask = heavy_tailed()
    done = complete(weights * ~mask, mask, "combined")
    assert "of gaussian_posterior and" in done.trace[0]["note"] and "shrinkage" in done.trace[0]["note"]
    assert done.meaning == "log_odds"
    first = complete(weights * ~mask, mask, "gaussian_posterior")
    assert done.deviation is not None and first.deviation is not None
    square = first.values.square() + first.deviation.square()
    p = torch.sigmoid(done.certainty)
    assert torch.allclose(done.values.abs()[mask], ((2 * p - 1) * square.sqrt())[mask], atol=1e-5)
    assert torch.allclose((done.values.square() + done.deviation.square())[mask], square[mask], rtol=1e-3)


def test_signs_do_not_get_worse_on_average() -> None:
    def share(method: str, seed: int) -> float:
        weights, mask = heavy_tailed(seed)
        return float((complete(weights * ~mask, mask, method).values.sign() == weights.sign())[mask].float().mean())

    best = sum(max(share("gaussian_posterior", seed), share("nuclear", seed)) for seed in range(4)) / 4
    assert sum(share("combined", seed) for seed in range(4)) / 4 > best - 0.01


def test_the_seed_is_that_of_the_second_cut() -> None:
    weights, mask = heavy_tailed()
    one, again, other = (complete(weights * ~mask, mask, "combined", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.certainty, again.certainty) and not torch.equal(one.certainty, other.certainty)


def test_the_options_are_those_of_both() -> None:
    options = module.Options(**COMPLETERS["combined"])
    assert options.posterior.max_steps == 30 and options.nuclear.solver == "fast"

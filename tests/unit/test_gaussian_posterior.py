"""`gaussian_posterior` against the formulas of a conditional Gaussian and against numerical integrals."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from regrow.complete._conditional import column_batches, conditional_step, conditional_variance, near_conditional_step
from regrow.complete._gaussian import (
    choose_shrinkage,
    shrunk_precision,
    thresholds,
    truncated_deviation,
    truncated_mean,
)
from regrow.complete._scaling import unit_scales
from regrow.errors import UserError
from tests.unit.erasing import complete


def draws(rows: int, columns: int, noise: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return columns drawn from a Gaussian over the rows, a mask that cuts the largest 8 %, and one that cuts any."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, 3, generator=generator) @ torch.randn(3, columns, generator=generator)
    weights += noise * torch.randn(rows, columns, generator=generator)
    weights *= torch.rand(1, columns, generator=generator) + 0.5
    large = weights.abs() >= weights.abs().flatten().kthvalue(int(0.92 * weights.numel())).values
    return weights, large, torch.rand(rows, columns, generator=generator) < 0.08


def precision_of(rows: int, seed: int = 1) -> Tensor:
    root = torch.randn(rows, 2 * rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.T / rows


@pytest.mark.parametrize("shape", [(9, 30), (30, 9), (1, 5)])
def test_conditional_moments_are_the_textbook_ones(shape: tuple[int, int]) -> None:
    weights, _, mask = draws(*shape)
    mask[0, 0] = True
    x, precision = (weights * ~mask).double(), precision_of(shape[0])
    covariance = torch.linalg.inv(precision)
    mean = x - conditional_step(precision, precision @ x, mask)
    variance = conditional_variance(precision, mask)
    for j in range(shape[1]):
        m, o = mask[:, j], ~mask[:, j]
        if not m.any():
            continue
        gain = covariance[m][:, o] @ torch.linalg.inv(covariance[o][:, o])
        assert torch.allclose(mean[m, j], gain @ x[o, j])
        assert torch.allclose(variance[m, j], (covariance[m][:, m] - gain @ covariance[o][:, m]).diagonal())
    assert torch.equal(mean[~mask], x[~mask])
    assert (variance[~mask] == 0).all()


def test_conjugate_gradients_come_near_the_conditional_mean() -> None:
    weights, mask, _ = draws(30, 200)
    mask[:, 3], mask[:, 4] = True, False
    gradient = weights.double()
    precision = precision_of(30) + 0.3 * torch.eye(30, dtype=torch.float64)
    exact = conditional_step(precision, gradient, mask)
    near = near_conditional_step(precision, gradient, mask)
    assert (near - exact).norm() < 0.1 * exact.norm()
    assert (near[~mask] == 0).all()
    # A direction of descent: d^T g = d^T P d > 0 for a Krylov solution d.
    assert (near * gradient).sum() == pytest.approx(float((near * (precision @ near)).sum()))


def test_batches_cover_every_missing_entry_once_and_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regrow.complete._conditional.ENTRIES_PER_BATCH", 200)
    mask = torch.rand(20, 60, generator=torch.Generator().manual_seed(0)) < torch.linspace(0, 1, 60)
    seen = torch.zeros(mask.shape, dtype=torch.int64)
    for columns, rows, valid in column_batches(mask):
        assert len(columns) == 1 or valid.shape[1] ** 2 * len(columns) <= 200
        assert (valid.sum(1) * 2 >= valid.shape[1]).all()
        pairs = columns[:, None].expand_as(rows)
        seen.index_put_((rows[valid], pairs[valid]), torch.ones(int(valid.sum()), dtype=torch.int64), accumulate=True)
    assert torch.equal(seen, mask.long())


def test_any_is_the_conditional_gaussian_of_the_scaled_matrix() -> None:
    weights, _, mask = draws(8, 60)
    done = complete(weights, mask, "gaussian_posterior", magnitudes="any", shrinkage=0.3)
    x = (weights * ~mask).double()
    row, column = unit_scales(x, ~mask)
    y = x / row / column
    sample = y @ y.T / 60
    covariance = 0.7 * sample + 0.3 * sample.diagonal().mean() * torch.eye(8)
    root = covariance.diagonal().rsqrt()
    covariance = covariance * root * root[:, None]
    for j in range(60):
        m, o = mask[:, j], ~mask[:, j]
        gain = covariance[m][:, o] @ torch.linalg.inv(covariance[o][:, o])
        mean = gain @ y[o, j]
        sd = (covariance[m][:, m] - gain @ covariance[o][:, m]).diagonal().sqrt()
        assert torch.allclose(done.values[m, j].double(), mean * row[m, 0] * column[0, j], atol=1e-4)
        assert torch.allclose(done.certainty[m, j].double(), (mean / sd).abs(), atol=1e-3)
        assert torch.allclose(done.deviation[m, j].double(), sd * row[m, 0] * column[0, j], rtol=1e-3)


def test_scales_give_unit_mean_square_over_what_is_observed() -> None:
    weights, mask, _ = draws(12, 50)
    weights[3] = 0
    row, column = unit_scales(weights * ~mask, ~mask)
    squares = (weights * ~mask / row / column).square()
    columns, rows = squares.sum(0) / (~mask).sum(0), squares.sum(1) / (~mask).sum(1)
    assert torch.allclose(columns, torch.ones(50), atol=1e-4)
    # The row of zeros takes its share of every column.
    assert torch.allclose(rows[torch.arange(12) != 3], torch.full((11,), 12 / 11), atol=0.02)
    assert row[3] == 1


def test_precision_is_the_inverse_of_the_shrunk_covariance_with_unit_diagonal() -> None:
    y = draws(6, 40)[0].double()
    covariance = torch.linalg.inv(shrunk_precision(y, 0.25))
    assert torch.allclose(covariance.diagonal(), torch.ones(6, dtype=torch.float64))
    sample = y @ y.T / 40
    expected = (
        0.75
        * sample[0, 1]
        / math.sqrt(
            (0.75 * sample[0, 0] + 0.25 * sample.diagonal().mean())
            * (0.75 * sample[1, 1] + 0.25 * sample.diagonal().mean())
        )
    )
    assert float(covariance[0, 1]) == pytest.approx(float(expected))


def test_shrinkage_is_the_best_of_the_held_out_columns_and_grows_with_noise() -> None:
    y, _, mask = draws(10, 100)
    chosen, score = choose_shrinkage(y, ~mask)
    held = torch.arange(100) % 5 == 4
    sample = y[:, ~held] @ y[:, ~held].T / 80
    scores = {}
    for a in (0.1, chosen, 0.9):
        precision = torch.linalg.inv((1 - a) * sample + a * sample.diagonal().mean() * torch.eye(10))
        d = precision.diagonal()[:, None]
        normal = torch.distributions.Normal(y[:, held] - precision @ y[:, held] / d, d.rsqrt().expand(-1, 20))
        scores[a] = float(normal.log_prob(y[:, held])[~mask[:, held]].mean())
    assert score == pytest.approx(scores[chosen], abs=1e-4)
    assert score == max(scores.values()) or chosen in (0.1, 0.9)
    noise = torch.randn(10, 40, generator=torch.Generator().manual_seed(3))
    assert choose_shrinkage(noise, torch.ones(10, 40, dtype=torch.bool))[0] > chosen


def test_few_columns_take_the_middle() -> None:
    assert choose_shrinkage(torch.ones(3, 5), torch.ones(3, 5, dtype=torch.bool))[0] == 0.5


@pytest.mark.parametrize(
    ("mean", "sd", "threshold"), [(0.3, 0.8, 1.2), (-1.5, 0.5, 0.7), (0.0, 1.0, 2.0), (4.0, 0.3, 1.0)]
)
def test_truncated_mean_is_the_integral(mean: float, sd: float, threshold: float) -> None:
    grid = torch.linspace(-12, 12, 2_000_001, dtype=torch.float64)
    density = torch.exp(-0.5 * ((grid - mean) / sd) ** 2) * (grid.abs() > threshold)
    found, odds = truncated_mean(*(torch.tensor(v, dtype=torch.float64) for v in (mean, sd, threshold)))
    assert float(found) == pytest.approx(float((grid * density).sum() / density.sum()), abs=1e-4)
    up, down = float(density[grid > 0].sum()), float(density[grid < 0].sum())
    if down > 0:
        assert float(odds) == pytest.approx(math.log(up / down), abs=1e-3)
    deviation = truncated_deviation(*(torch.tensor(v, dtype=torch.float64) for v in (mean, sd, threshold)))
    square = (grid.square() * density).sum() / density.sum()
    assert float(deviation) == pytest.approx(float(square - found**2) ** 0.5, abs=1e-3)


def test_truncated_mean_far_out_is_finite_in_float32() -> None:
    found, odds = truncated_mean(torch.tensor([-40.0, 0.0, 40.0]), torch.tensor(0.3), torch.tensor(5.0))
    assert torch.isfinite(found).all()
    assert torch.isfinite(odds).all()
    assert found.sign().tolist() == [-1, 0, 1]
    deviation = truncated_deviation(torch.tensor([-40.0, 0.0, 40.0]), torch.tensor(0.3), torch.tensor(5.0))
    assert deviation.tolist() == pytest.approx([0.3, 5.0, 0.3], abs=0.05)


def test_thresholds_are_normal_quantiles_and_what_is_below_them() -> None:
    mask = torch.zeros(199, 3, dtype=torch.bool)
    mask[:99, 1], mask[:9, 2] = True, True
    threshold, scale = thresholds(mask)
    normal = torch.distributions.Normal(0.0, 1.0)
    assert float(2 * (1 - normal.cdf(threshold[1]))) == pytest.approx(99.5 / 200, abs=1e-5)
    sample = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    for j in (1, 2):
        below = sample[sample.abs() < threshold[j]]
        assert float(scale[j]) == pytest.approx(float(below.square().mean().sqrt()), rel=0.01)
    assert scale[0] == 1


def test_knowing_that_what_was_cut_is_large_helps_and_certainty_ranks() -> None:
    weights, mask, _ = draws(60, 400, noise=6.0)
    large = complete(weights, mask, "gaussian_posterior")
    blind = complete(weights, mask, "gaussian_posterior", magnitudes="any")
    right = (large.values.sign() == weights.sign())[mask].float()
    assert right.mean() > (blind.values.sign() == weights.sign())[mask].float().mean()
    order = large.certainty[mask].argsort(descending=True)
    fifths = right[order][: 5 * (len(order) // 5)].reshape(5, -1).mean(1)
    assert fifths[0] > fifths[2] > fifths[4]


def test_mean_field_ends_where_every_entry_is_its_own_truncated_mean() -> None:
    weights, mask, _ = draws(10, 60)
    done = complete(weights, mask, "gaussian_posterior", shrinkage=0.6, tolerance=1e-7, max_steps=1000)
    assert len(done.trace) < 1000
    x = weights * ~mask
    row, column = unit_scales(x, ~mask)
    threshold, scale = thresholds(mask)
    precision = shrunk_precision(x / row / column, 0.6)
    u = done.values / row / column * scale
    diagonal = precision.diagonal()[:, None]
    mean, odds = truncated_mean(u - precision @ u / diagonal, diagonal.rsqrt(), threshold[None])
    assert torch.allclose(u[mask], mean[mask], atol=1e-4)
    assert torch.allclose(done.certainty[mask], odds[mask].abs(), atol=1e-3)


def test_the_trace_tells_the_shrinkage() -> None:
    weights, mask, _ = draws(10, 60)
    first = complete(weights, mask, "gaussian_posterior").trace[0]
    assert "chosen on held-out columns" in first["note"]
    assert math.isfinite(first["objective"])
    fixed = complete(weights, mask, "gaussian_posterior", shrinkage=0.5).trace[0]
    assert fixed["note"] == ""
    assert math.isnan(fixed["objective"])


@pytest.mark.parametrize(
    "options", [{"magnitudes": "small"}, {"shrinkage": 0.0}, {"shrinkage": 1.0}, {"tolerance": 0.0}, {"max_steps": 0}]
)
def test_bad_options(options: dict[str, Any]) -> None:
    weights, mask, _ = draws(4, 30)
    with pytest.raises(UserError, match="completer 'gaussian_posterior'"):
        complete(weights, mask, "gaussian_posterior", **options)


@pytest.mark.parametrize("magnitudes", ["any", "large"])
def test_the_deviation_has_the_unit_of_the_weights_and_is_infinite_where_nothing_is_known(magnitudes: str) -> None:
    weights, large, anywhere = draws(10, 80)
    mask = large if magnitudes == "large" else anywhere
    mask[:, 7] = True
    one, big = (
        complete(weights * factor, mask, "gaussian_posterior", magnitudes=magnitudes) for factor in (1.0, 1024.0)
    )
    assert torch.equal(one.deviation * 1024, big.deviation)
    assert (one.deviation[~mask] == 0).all()
    assert torch.isinf(one.deviation[:, 7]).all()
    known = mask.clone()
    known[:, 7] = False
    assert (one.deviation[known] > 0).all()
    # What is recovered misses the truth by about that much.
    miss = (one.values - weights)[known] / one.deviation[known]
    assert 0.6 < float(miss.square().mean().sqrt()) < 1.6
    tall = complete(weights.T.contiguous(), mask.T.contiguous(), "gaussian_posterior", magnitudes=magnitudes)
    assert torch.equal(tall.deviation.T, one.deviation)

"""`nuclear` against the released iteration, written plainly with a dense SVD (methods.md 3.1 B)."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from regrow.errors import UserError
from tests.unit.erasing import complete


def plain(weights: Tensor, mask: Tensor, tolerance: float, steps: int) -> tuple[Tensor, int]:
    """Return the released iteration's matrix and its number of steps."""
    observed = weights.double()
    means = torch.stack([observed[~mask[:, j], j].mean() for j in range(weights.shape[1])])
    history = [torch.where(mask, means, observed)]
    for step in range(1, steps + 1):
        left, singular, right = torch.linalg.svd(history[-1], full_matrices=False)
        shrunk = left @ torch.diag(singular - singular.min()) @ right
        history.append(torch.where(mask, shrunk, observed))
        if step >= 2 and (history[-1] - history[-3]).norm() / history[-3].norm() < tolerance:
            break
    return history[-1], step


def matrix(rows: int, columns: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a matrix with a falling spectrum and a mask of 8 % that leaves something in every row and column."""
    generator = torch.Generator().manual_seed(seed)
    small = min(rows, columns)
    left = torch.linalg.qr(torch.randn(rows, small, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(columns, small, generator=generator))[0]
    weights = (left * (torch.arange(1, small + 1) ** -0.6)) @ right.T
    mask = torch.rand(rows, columns, generator=generator) < 0.08
    mask[torch.arange(rows), torch.arange(rows) % columns] = False
    mask[torch.arange(columns) % rows, torch.arange(columns)] = False
    mask[0, -1] = True
    return weights, mask


@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (6, 4), (4, 6), (16, 20)])
def test_fast_arrives_where_the_released_iteration_ends(shape: tuple[int, int]) -> None:
    weights, mask = matrix(*shape)
    truth, _ = plain(weights, mask, 1e-11, 20000)
    done = complete(weights, mask, "nuclear", tolerance=1e-9)
    error = (done.values - truth)[mask].norm() / truth[mask].norm()
    assert error < 2e-5
    assert len(done.trace) < 60


@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (6, 4)])
def test_released_is_the_plain_iteration_step_by_step(shape: tuple[int, int]) -> None:
    weights, mask = matrix(*shape)
    truth, steps = plain(weights, mask, 1e-5, 500)
    done = complete(weights, mask, "nuclear", solver="released")
    assert len(done.trace) == steps
    assert (done.values - truth)[mask].norm() < 1e-5 * truth[mask].norm()


def test_conjugate_gradients_arrive_at_the_same_point(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, mask = matrix(24, 96)
    one = complete(weights, mask, "nuclear", tolerance=1e-9)
    monkeypatch.setattr("regrow.complete._nuclear_solvers.blocks_are_cheaper", lambda _: False)
    other = complete(weights, mask, "nuclear", tolerance=1e-9)
    assert (one.values - other.values)[mask].norm() < 1e-6 * one.values[mask].norm()


def test_stationary_point_has_no_polar_factor_at_missing_entries() -> None:
    weights, mask = matrix(20, 80)
    done = complete(weights, mask, "nuclear", tolerance=1e-9)
    left, _, right = torch.linalg.svd(done.values.double(), full_matrices=False)
    polar = left @ right
    assert polar[mask].norm() < 1e-5 * polar.norm()
    assert polar[~mask].norm() > 0.99 * polar.norm()


def test_objective_is_the_nuclear_norm_and_never_rises() -> None:
    weights, mask = matrix(20, 80)
    trace = complete(weights, mask, "nuclear").trace
    objectives = [record["objective"] for record in trace]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in zip(objectives, objectives[1:], strict=False))
    peak = 2.0 ** math.ceil(math.log2((weights * ~mask).abs().max()))
    assert objectives[0] == pytest.approx(float(torch.linalg.svdvals(weights * ~mask).sum() / peak), rel=1e-4)


def test_one_missing_entry_of_a_two_by_two_by_hand() -> None:
    # ||A||_*^2 = sum of squares + 2 |det A|. For [[1, 1], [1, x]] that is 3 + x^2 + 2 |x - 1|, least where the slope
    # 2x - 2 below 1 meets 2x + 2 above it: at x = 1, the completion of rank one.
    done = complete(torch.tensor([[1.0, 1.0], [1.0, 0.0]]), torch.tensor([[False, False], [False, True]]), "nuclear")
    assert done.values[1, 1] == pytest.approx(1.0, abs=2e-2)
    # For [[2, 0], [1, x]] it is 5 + x^2 + 4 |x|, least at 0.
    done = complete(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([[False, False], [False, True]]), "nuclear")
    assert done.values[1, 1] == pytest.approx(0.0, abs=1e-6)


def test_certainty_is_the_recovered_magnitude() -> None:
    weights, mask = matrix(12, 40)
    done = complete(weights, mask, "nuclear")
    peak = 2.0 ** math.ceil(math.log2((weights * ~mask).abs().max()))
    assert torch.allclose(done.certainty[mask] * peak, done.values[mask].abs())


def test_a_run_that_does_not_converge_says_so() -> None:
    weights, mask = matrix(12, 40)
    done = complete(weights, mask, "nuclear", max_steps=2)
    assert len(done.trace) == 2
    assert "max_steps = 2" in done.trace[-1]["note"]


@pytest.mark.parametrize("options", [{"tolerance": 0.0}, {"max_steps": 0}, {"solver": "slow"}])
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="completer 'nuclear'"):
        complete(*matrix(4, 8), "nuclear", **options)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-6, 1e6))
def test_scale_equivariance(seed: int, scale: float) -> None:
    weights, mask = matrix(8, 24, seed)
    one = complete(weights, mask, "nuclear", tolerance=1e-8).values
    other = complete(weights * scale, mask, "nuclear", tolerance=1e-8).values
    assert torch.allclose(other, one * scale, rtol=1e-3, atol=1e-4 * scale * float(one.abs().max()))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_permutation_and_transposition_equivariance(seed: int) -> None:
    weights, mask = matrix(8, 24, seed)
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(8, generator=generator), torch.randperm(24, generator=generator)
    one = complete(weights, mask, "nuclear", tolerance=1e-8).values
    other = complete(weights[rows][:, columns].T, mask[rows][:, columns].T, "nuclear", tolerance=1e-8).values
    assert torch.allclose(other.T, one[rows][:, columns], atol=1e-4 * float(one.abs().max()))

"""`soft_impute` against SoftImpute written slowly: a full float64 SVD per step, no momentum, no path."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from regrow.complete._soft_impute_solver import Subspace, exact
from regrow.errors import UserError
from tests.unit.erasing import complete


def matrix(rows: int, columns: int, rank: int = 4, noise: float = 0.3, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, rank, generator=generator) @ torch.randn(rank, columns, generator=generator)
    weights += noise * torch.randn(rows, columns, generator=generator)
    return weights, torch.rand(rows, columns, generator=generator) < 0.1


def slow(weights: Tensor, mask: Tensor, shrinkage: float) -> tuple[Tensor, float]:
    """Return the filled matrix and the objective at the fixed point."""
    filled = (weights * ~mask).double()
    shrink = shrinkage * float(torch.linalg.svdvals(filled)[0])
    for _ in range(5000):
        left, singular, right = torch.linalg.svd(filled, full_matrices=False)
        low = left @ torch.diag((singular - shrink).clamp_min(0)) @ right
        change = float((low - filled)[mask].norm())
        filled[mask] = low[mask]
        if change < 1e-10 * float(filled.norm()):
            break
    fit = 0.5 * float((filled - low)[~mask].square().sum())
    return filled, fit + shrink * float(torch.linalg.svdvals(low).sum())


@pytest.mark.parametrize("shape", [(60, 200), (200, 60), (6, 4), (40, 40)])
@pytest.mark.parametrize(("shrinkage", "path"), [(0.02, 1), (0.1, 1), (0.1, 4), (0.5, 1), (0.3, 5)])
def test_same_solution_as_the_slow_version(shape: tuple[int, int], shrinkage: float, path: int) -> None:
    weights, mask = matrix(*shape)
    truth, _ = slow(weights, mask, shrinkage)
    done = complete(weights, mask, "soft_impute", shrinkage=shrinkage, path=path, tolerance=3e-6, max_steps=2000)
    assert (done.values - truth)[mask].norm() < 2e-3 * truth[mask].norm()
    assert done.trace[-1]["note"] == ""


def test_objective_of_the_trace_is_the_one_that_is_minimised() -> None:
    weights, mask = matrix(60, 200)
    peak = 2.0 ** math.ceil(math.log2((weights * ~mask).abs().max()))
    _, objective = slow(weights / peak, mask, 0.2)
    done = complete(weights, mask, "soft_impute", shrinkage=0.2, path=1, tolerance=3e-6)
    assert done.trace[-1]["objective"] == pytest.approx(objective, rel=1e-5)
    assert all(later["objective"] <= done.trace[0]["objective"] for later in done.trace)


def test_one_step_by_hand() -> None:
    # diag(3, 1) with the 1 missing, lambda = 3/2: Z = diag(3, 0), S(Z) = diag(1.5, 0); the missing entry stays 0.
    done = complete(torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([[False, False], [False, True]]), "soft_impute")
    assert done.values.tolist() == [[3.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("shrink", [0.5, 5.0, 20.0])
def test_subspace_finds_what_the_exact_decomposition_finds(shrink: float) -> None:
    weights, _ = matrix(150, 400, rank=8)
    subspace = Subspace(weights, seed=0)
    for _ in range(4):
        left, singular, right = subspace.shrunk(weights, shrink)
    true_left, true_singular, true_right = exact(weights.double(), shrink)
    assert singular.shape == true_singular.shape
    expected = (true_left * true_singular) @ true_right.T
    assert torch.allclose((left * singular) @ right.T, expected.to(left.dtype), atol=1e-3 * float(expected.abs().max()))


def test_seed_decides_the_bytes_but_not_the_answer() -> None:
    weights, mask = matrix(200, 300)
    done = [complete(weights, mask, "soft_impute", seed=seed).values for seed in (0, 0, 1)]
    assert torch.equal(done[0], done[1])
    assert not torch.equal(done[0], done[2])
    for one, other in itertools.pairwise(done):
        assert (one - other)[mask].norm() < 2e-3 * one[mask].norm()


def test_the_path_and_a_run_cut_short_show_in_the_trace() -> None:
    weights, mask = matrix(60, 200)
    done = complete(weights, mask, "soft_impute", path=3, max_steps=4)
    assert len(done.trace) == 4
    assert "max_steps = 4" in done.trace[-1]["note"]
    falls = [record["objective"] for record in complete(weights, mask, "soft_impute", path=3).trace]
    assert falls[0] > 1.2 * falls[-1]


@pytest.mark.parametrize(
    "options", [{"shrinkage": 0.0}, {"shrinkage": 1.0}, {"path": 0}, {"tolerance": 0.0}, {"max_steps": 0}]
)
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="completer 'soft_impute': "):
        complete(*matrix(4, 8), "soft_impute", **options)

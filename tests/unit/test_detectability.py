"""Eqs. 4 to 7 by the numbers of methods.md 4, and detectors on cuts that are plain, filled and hidden."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from regrow.defend.gaussian import Options as GaussianOptions
from regrow.defend.gaussian import gaussian
from regrow.defend.permuted import Options as PermutedOptions
from regrow.defend.permuted import permuted
from regrow.errors import UserError
from regrow.evaluate.detectability import (
    auroc,
    choose_sigma,
    detect,
    premise,
    share_modified,
    share_modified_normal,
)
from tests.unit.defending import NAME, erasing, publisher


@pytest.mark.parametrize(("std", "p"), [(1e-5, 0.434), (1e-4, 0.434), (1e-3, 0.344), (1e-2, 0.058), (1e-1, 0.006)])
def test_equation_7_by_hand(std: float, p: float) -> None:
    assert share_modified_normal(1e-3, 0.02, std, 0.03) == pytest.approx(p, abs=5e-4)


def test_its_limits() -> None:
    alpha, modified, unmodified = 0.1, 0.02, 0.05
    small = (alpha / modified) / (alpha / modified + (1 - alpha) / unmodified)
    assert share_modified_normal(1e-9, alpha, modified, unmodified) == pytest.approx(small)
    assert share_modified_normal(10.0, alpha, modified, unmodified) == pytest.approx(alpha)
    assert share_modified(alpha, 0.0, 0.0) == alpha  # an interval where nothing lies tells nothing


def test_equation_4_is_what_is_counted() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(2_000_000, generator=generator) < 0.1
    values = torch.where(mask, 0.01, 0.03) * torch.randn(mask.shape, generator=generator)
    inside = values.abs() < 0.005
    assert float(mask[inside].float().mean()) == pytest.approx(share_modified_normal(0.005, 0.1, 0.01, 0.03), abs=2e-3)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.01, 0.5), st.floats(1e-4, 0.02), st.floats(1e-5, 0.2), st.floats(0.005, 0.1))
def test_choose_sigma_is_the_inverse(alpha: float, width: float, std: float, unmodified: float) -> None:
    p = share_modified_normal(width, alpha, std, unmodified)
    assume(width / std < 4)  # beyond, nearly all of the fill is inside and p no longer tells std
    assert choose_sigma(p, width, alpha, unmodified) == pytest.approx(std, rel=1e-4)


@pytest.mark.parametrize(
    ("p", "width", "alpha", "std", "sentence"),
    [
        (0.9, 1e-3, 0.02, 0.03, "no std of the fill leaves a share of 0.9 modified entries .* it would be 0.434"),
        (0.0, 1e-3, 0.02, 0.03, "p must lie between 0 and 1"),
        (0.3, 1e-3, 1.0, 0.03, "alpha must lie between 0 and 1"),
        (0.3, -1e-3, 0.02, 0.03, "width must be a positive number"),
        (0.3, 1e-3, 0.02, math.nan, "std_unmodified must be a positive number"),
    ],
)
def test_what_choose_sigma_refuses(p: float, width: float, alpha: float, std: float, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        choose_sigma(p, width, alpha, std)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=20))
def test_auroc_by_counting_pairs(units: list[tuple[int, bool]]) -> None:
    score, truth = torch.tensor([float(s) for s, _ in units]), torch.tensor([t for _, t in units])
    pairs = [(a > b) + 0.5 * (a == b) for a, b in product(score[truth].tolist(), score[~truth].tolist())]
    found = auroc(score, truth)
    assert math.isnan(found) if not pairs else found == pytest.approx(sum(pairs) / len(pairs))


def test_premise_of_a_gaussian_and_of_a_uniform() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(100, 2000, dtype=torch.bool)
    mask[:, :100] = True
    weight = 0.03 * torch.randn(mask.shape, generator=generator)
    weight[mask] = 1e-9
    found = premise(weight, mask)
    assert found["n"] == 200_000 and found["n_pruned"] == found["half_zeros"] == 10_000
    assert found["std_observed"] == pytest.approx(0.03, rel=0.01) and found["std_filled"] == pytest.approx(0, abs=1e-12)
    assert abs(found["skew"]) < 0.03 and abs(found["kurtosis"]) < 0.05 and found["ks"] < 0.004
    flat = premise(torch.rand(mask.shape, generator=generator), mask)
    # of a uniform: excess kurtosis -1.2; the largest distance to the Gaussian of its mean and std is 0.0577
    assert flat["kurtosis"] == pytest.approx(-1.2, abs=0.02) and flat["ks"] == pytest.approx(0.0577, abs=0.004)


def areas(weight: torch.Tensor, mask: torch.Tensor) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["detector"], row["unit"]): row for row in detect(weight, mask)}


def test_a_plain_cut_is_certain_and_a_permuted_one_shows_nothing_by_magnitude() -> None:
    erased = erasing()
    mask = erased.mask[NAME]
    plain = areas(erased.tensors[NAME], mask)
    assert plain["magnitude", "entry"]["auroc"] == plain["zeros", "entry"]["auroc"] == 1
    assert plain["zeros", "entry"]["precision"] == plain["zeros", "entry"]["recall"] == 1
    assert plain["norm", "column"]["auroc"] == 1 and plain["norm", "column"]["n"] == 160
    assert plain["norm", "column"]["n_pruned"] == int(mask.any(0).sum())
    hidden = areas(permuted(erased, publisher(), PermutedOptions(scope="row"))[NAME], mask)
    assert hidden["magnitude", "entry"]["auroc"] < 0.55
    assert hidden["zeros", "entry"]["recall"] == 0 and math.isnan(hidden["zeros", "entry"]["precision"])


def test_noise_is_found_the_better_the_smaller_it_is() -> None:
    erased = erasing()
    mask = erased.mask[NAME]
    found = [
        areas(gaussian(erased, publisher(), GaussianOptions(std=std, unit="row", bound="none"))[NAME], mask)
        for std in (1e-4, 0.1, 0.5, 1.0)
    ]
    by_entry = [area["magnitude", "entry"]["auroc"] for area in found]
    assert by_entry == sorted(by_entry, reverse=True) and by_entry[0] > 0.99 and by_entry[-1] < 0.6
    assert found[0]["mixture", "entry"]["recall"] > 0.95 and found[0]["mixture", "entry"]["precision"] > 0.95


def test_a_pooled_detector_sees_what_no_entry_shows() -> None:
    # Columns of a low-rank matrix and, in their place, noise of the same sizes: single entries look alike.
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(60, 4, generator=generator) @ torch.randn(4, 400, generator=generator)
    weight = weight + 0.3 * torch.randn(weight.shape, generator=generator)
    mask = torch.zeros_like(weight, dtype=torch.bool)
    mask[:, ::10] = True
    noise = torch.randn(weight.shape, generator=generator) * weight.square().mean().sqrt()
    found = areas(torch.where(mask, noise, weight), mask)
    assert found["magnitude", "entry"]["auroc"] < 0.6
    assert found["residual", "column"]["auroc"] > 0.98 and found["leading", "column"]["auroc"] > 0.98

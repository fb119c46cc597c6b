"""Inferring the mask from one published matrix."""

import math

import pytest
import torch

from regrow.complete._mask import _em, infer_mask
from regrow.errors import UserError


def filled(narrow: float, share: float = 0.05, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = 0.03 * torch.randn(100, 400, generator=generator)
    mask = torch.rand(100, 400, generator=generator) < share
    return torch.where(mask, narrow * torch.randn(100, 400, generator=generator), weights), mask


def test_zeros_of_either_sign() -> None:
    found = infer_mask(torch.tensor([[0.0, -0.0, 1e-45], [1.0, -1.0, 0.0]]))
    assert found.missing.tolist() == [[True, True, False], [False, False, True]]
    assert torch.equal(found.probability, found.missing.float())


def test_threshold_includes_its_edge() -> None:
    found = infer_mask(torch.tensor([0.5, -0.25, 0.1]), "threshold", threshold=0.25)
    assert found.missing.tolist() == [False, True, True]
    assert found.details == {"threshold": 0.25}


@pytest.mark.parametrize("narrow", [0.0, 1e-6, 1e-4])
def test_mixture_finds_a_narrow_fill(narrow: float) -> None:
    weights, mask = filled(narrow)
    found = infer_mask(weights, "mixture")
    assert found.details["share"] == pytest.approx(0.05, abs=0.006)
    assert found.details["wide"] == pytest.approx(0.03, rel=0.03)
    assert (found.missing == mask).float().mean() > (0.999 if narrow < 1e-4 else 0.985)
    assert (found.missing & mask).sum() > 0.95 * mask.sum()
    if narrow:
        assert found.details["narrow"] == pytest.approx(narrow, rel=0.2)


def test_mixture_probability_is_calibrated_where_the_two_overlap() -> None:
    weights, mask = filled(0.006, share=0.2)
    found = infer_mask(weights, "mixture")
    for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 0.8)):
        part = (found.probability > low) & (found.probability <= high)
        assert mask[part].float().mean() == pytest.approx(float(found.probability[part].mean()), abs=0.06)


def test_mixture_posterior_by_hand() -> None:
    # p(w) with densities (Eq. 4 of the paper), at the parameters that the fit reports.
    weights, _ = filled(0.003, share=0.1)
    found = infer_mask(weights, "mixture")
    share, narrow, wide = (found.details[key] for key in ("share", "narrow", "wide"))
    w = float(weights[3, 5])
    inside = share / narrow * math.exp(-0.5 * (w / narrow) ** 2)
    outside = (1 - share) / wide * math.exp(-0.5 * (w / wide) ** 2)
    assert float(found.probability[3, 5]) == pytest.approx(inside / (inside + outside), abs=1e-5)


def test_one_em_step_never_lowers_the_likelihood() -> None:
    weights, _ = filled(0.002)
    squares, counts = weights.double().flatten() ** 2, torch.full((40000,), 1 / 40000, dtype=torch.float64)
    first = _em(squares, counts, 0.3, 1e-5, 1e-3)
    again = _em(squares, counts, *first[1:])
    assert again[0] >= first[0] - 1e-9


def test_mixture_does_not_depend_on_the_scale() -> None:
    weights, _ = filled(1e-3)
    assert torch.equal(infer_mask(weights, "mixture").missing, infer_mask(weights * 2.0**20, "mixture").missing)


def test_all_zero_and_untouched_matrices() -> None:
    assert infer_mask(torch.zeros(3, 4), "mixture").missing.all()
    untouched = torch.randn(50, 200, generator=torch.Generator().manual_seed(0))
    assert not infer_mask(untouched).missing.any()
    assert torch.isfinite(infer_mask(untouched, "mixture").probability).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "zeroes"}, "did you mean 'zeros'"),
        ({"method": "threshold"}, "needs threshold"),
        ({"method": "zeros", "threshold": 0.1}, "takes no threshold"),
        ({"method": "threshold", "threshold": -1.0}, "at least 0"),
        ({"method": "threshold", "threshold": float("nan")}, "at least 0"),
    ],
)
def test_bad_options(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        infer_mask(torch.ones(2, 2), **options)  # type: ignore[arg-type]


def test_nan_is_an_error() -> None:
    with pytest.raises(UserError, match="NaN"):
        infer_mask(torch.tensor([float("nan")]))

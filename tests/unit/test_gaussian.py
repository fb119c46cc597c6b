"""The paper's defence: noise of the right size in the right places, by three units and three bounds."""

import logging
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.defend.gaussian import Options, gaussian
from regrow.errors import UserError
from regrow.methods import parse_options
from tests.unit.defending import NAME, erasing, publisher

PLAIN = {"std": 0.01, "unit": "absolute", "bound": "none"}


def fill(seed: int = 0, dtype: torch.dtype = torch.float32, **options: Any) -> torch.Tensor:
    found = gaussian(erasing(dtype=dtype), publisher(seed), Options(**{**PLAIN, **options}))
    assert list(found) == [NAME]  # a weight of which nothing is pruned stays as it is
    return found[NAME]


def test_the_cut_gets_noise_of_that_std_and_the_rest_is_untouched() -> None:
    erased = erasing()
    mask, found = erased.mask[NAME], fill()
    assert torch.equal(found[~mask], erased.tensors[NAME][~mask])
    noise = found[mask]
    assert abs(float(noise.std()) - 0.01) < 0.0008 and abs(float(noise.mean())) < 0.001
    assert torch.equal(fill(), found) and not torch.equal(fill(seed=1), found)


def test_units_by_hand() -> None:
    erased = erasing()
    weight, mask = erased.tensors[NAME], erased.mask[NAME]
    observed = weight[~mask]
    z = fill()[mask] / 0.01
    layer = float(observed.square().mean().sqrt())
    assert torch.allclose(fill(std=0.5, unit="layer")[mask], z * 0.5 * layer)
    rows = torch.stack([weight[i][~mask[i]].square().mean().sqrt() for i in range(len(weight))])
    assert torch.allclose(fill(std=0.5, unit="row"), torch.where(mask, 50 * rows[:, None] * fill(), weight))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 4), st.integers(0, 2**31))
def test_a_bound_is_kept_and_the_draws_within_are_the_same(sigmas: float, seed: int) -> None:
    mask = erasing().mask[NAME]
    bounded, free = fill(seed, bound="k_sigma", sigmas=sigmas)[mask], fill(seed)[mask]
    assert float(bounded.abs().max()) <= 0.01 * sigmas * (1 + 1e-6)
    within = free.abs() <= 0.01 * sigmas
    assert torch.equal(bounded[within], free[within])


def test_no_larger_than_the_largest_weight() -> None:
    erased = erasing()
    mask = erased.mask[NAME]
    peak = float(erased.tensors[NAME][~mask].abs().max())
    assert float(fill(std=0.9 * peak)[mask].abs().max()) > peak
    assert float(fill(std=0.9 * peak, bound="layer_max")[mask].abs().max()) <= peak


def test_zeros_at_half_precision_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = fill(std=1e-6, dtype=torch.float16)
    noise = found[erasing().mask[NAME]]
    zeros = int((noise == 0).sum())
    assert not noise[noise == 0].signbit().any()  # -0.0 would be read as the sign of a pruned weight
    assert zeros > 0 and f"{zeros} of {int(erasing().mask[NAME].sum())} filled entries are 0" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        fill(std=1e-2)
    assert not caplog.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"std": 5.0}, "is more than 3 times as large as every weight of unet.block.ff.net.2.weight"),
        ({"bound": "k_sigma", "sigmas": 0.01}, "hardly any draw of std 0.01 is within the bound"),
    ],
)
def test_noise_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        fill(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"std": -0.01}, "std is -0.01, but should be greater than 0"),
        ({"std": 0.0}, "std is 0.0, but should be greater than 0"),
        ({"std": float("nan")}, "std is nan"),
        ({"bound": "k_sigma"}, "bound k_sigma needs sigmas"),
        ({"sigmas": 2.0}, "bound none takes no sigmas"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_options("defend_model", "gaussian", {**PLAIN, **options})


def test_an_erasing_that_prunes_nothing() -> None:
    erased = erasing()
    empty = type(erased)(erased.tensors, {}, erased.base, erased.recipe)
    with pytest.raises(UserError, match="prunes nothing, so there is nothing to hide"):
        gaussian(empty, publisher(), Options(**PLAIN))

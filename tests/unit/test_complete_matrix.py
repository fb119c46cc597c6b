"""The interface of the completers: input checks, degenerate matrices, promises that hold for every method."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regrow.completion import complete_matrix
from regrow.errors import UserError
from regrow.methods import method_names
from tests.unit.erasing import complete

METHODS = method_names("complete")


def low_rank(rows: int, columns: int, seed: int = 0, rank: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    product = torch.randn(rows, rank, generator=generator) @ torch.randn(rank, columns, generator=generator)
    return product + 0.1 * torch.randn(rows, columns, generator=generator)


def holes(rows: int, columns: int, share: float = 0.1, seed: int = 1) -> torch.Tensor:
    mask = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < share
    mask[0, 0], mask[-1, -1] = True, False
    return mask


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(12, 48), (48, 12), (20, 20), (6, 4), (7, 1), (1, 7), (2, 2)])
def test_every_shape_gives_finite_numbers_and_keeps_what_is_observed(method: str, shape: tuple[int, int]) -> None:
    weights, mask = low_rank(*shape), holes(*shape)
    done = complete(weights * ~mask, mask, method)
    assert done.values.shape == done.certainty.shape == shape
    assert done.values.dtype == done.certainty.dtype == torch.float32
    assert torch.equal(done.values[~mask], weights[~mask])
    assert torch.isfinite(done.values).all()
    assert torch.isfinite(done.certainty).all()
    assert (done.certainty >= 0).all()
    assert (done.certainty[~mask] == 0).all()
    assert {"step", "objective", "change", "seconds", "note"} == set(done.trace[0])


@pytest.mark.parametrize("method", METHODS)
def test_structure_is_used(method: str) -> None:
    weights, mask = low_rank(30, 120), holes(30, 120)
    done = complete(weights * ~mask, mask, method)
    assert (done.values.sign() == weights.sign())[mask].float().mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_fully_missing_row_and_column_become_zero_with_a_note(method: str) -> None:
    weights, mask = low_rank(10, 30), holes(10, 30)
    mask[4, :], mask[:, 7] = True, True
    done = complete(weights * ~mask, mask, method)
    for part in (done.values, done.certainty):
        assert (part[4] == 0).all()
        assert (part[:, 7] == 0).all()
        assert torch.isfinite(part).all()
    assert "1 row without any observed entry" in done.trace[0]["note"]
    assert "1 column without any observed entry cannot be completed" in done.trace[0]["note"]
    others = mask.clone()
    others[4], others[:, 7] = False, False
    assert (done.values.sign() == weights.sign())[others].float().mean() > 0.8


@pytest.mark.parametrize("method", METHODS)
def test_nothing_missing_returns_the_input(method: str) -> None:
    weights = low_rank(5, 9)
    done = complete(weights, torch.zeros(5, 9, dtype=torch.bool), method)
    assert torch.equal(done.values, weights)
    assert (done.certainty == 0).all()
    assert done.trace[0]["note"] == "nothing is missing"


@pytest.mark.parametrize("method", METHODS)
def test_observed_entries_that_are_all_zero_give_zeros(method: str) -> None:
    done = complete(torch.zeros(4, 6), holes(4, 6), method)
    assert (done.values == 0).all()
    assert done.trace[0]["note"] == "every observed entry is 0"


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_computed_in_float32(method: str) -> None:
    weights, mask = low_rank(12, 40).half() * 3000, holes(12, 40)
    assert torch.isinf(weights @ weights.T).any()
    half = complete(weights * ~mask, mask, method)
    full = complete(weights.float() * ~mask, mask, method)
    assert torch.equal(half.values, full.values)


@pytest.mark.parametrize("method", METHODS)
def test_the_largest_numbers_of_float32_are_completed(method: str) -> None:
    weights, mask = low_rank(12, 40), holes(12, 40)
    weights = weights / weights.abs().max()
    one, huge = (complete(weights * factor * ~mask, mask, method) for factor in (1.0, 3e38))
    assert torch.equal(huge.values[~mask], (weights * 3e38)[~mask])
    assert torch.allclose(huge.values / 3e38, one.values, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2.0**-60, 2.0**60])
def test_scale_by_a_power_of_two_changes_nothing_but_the_scale(method: str, factor: float) -> None:
    weights, mask = low_rank(12, 40), holes(12, 40)
    one = complete(weights * ~mask, mask, method)
    other = complete(weights * factor * ~mask, mask, method)
    assert torch.equal(one.values * factor, other.values)
    assert torch.equal(one.certainty, other.certainty)


@pytest.mark.parametrize("method", METHODS)
def test_the_opposite_matrix_has_the_opposite_completion(method: str) -> None:
    weights, mask = low_rank(12, 40), holes(12, 40)
    one, other = (complete(w * ~mask, mask, method) for w in (weights, -weights))
    assert torch.allclose(one.values, -other.values, atol=1e-4)
    assert torch.allclose(one.certainty, other.certainty, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bytes_and_input_untouched(method: str) -> None:
    weights, mask = low_rank(16, 64), holes(16, 64)
    before = weights.clone()
    one, two = (complete(weights, mask, method, seed=5) for _ in range(2))
    assert torch.equal(one.values, two.values)
    assert torch.equal(one.certainty, two.certainty)
    assert torch.equal(weights, before)


@pytest.mark.parametrize("method", METHODS)
def test_what_stands_at_missing_entries_is_not_read(method: str) -> None:
    weights, mask = low_rank(12, 40), holes(12, 40)
    assert torch.equal(
        complete(weights, mask, method).values,
        complete(torch.where(mask, 7e6, weights), mask, method).values,
    )


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), share=st.floats(0, 0.95), seed=st.integers(0, 10**6))
@example(rows=1, columns=2, share=0.875, seed=0)  # one entry is left, and no second cut may take it
def test_never_nan_whatever_the_mask(method: str, rows: int, columns: int, share: float, seed: int) -> None:
    weights = low_rank(rows, columns, seed)
    mask = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < share
    mask[seed % rows, seed % columns] = False
    done = complete(weights, mask, method)
    assert torch.isfinite(done.values).all()
    assert torch.isfinite(done.certainty).all()
    assert torch.equal(done.values[~mask], weights[~mask])


NOTHING = torch.zeros(3, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("weights", "mask", "sentence"),
    [
        (torch.ones(3), torch.zeros(3), "must be a matrix"),
        (torch.ones(3, 4), NOTHING.T, "the mask has shape (4, 3) but the weights have (3, 4)"),
        (torch.ones(3, 4, dtype=torch.int64), NOTHING, "floating-point"),
        (torch.ones(3, 4, dtype=torch.complex64), NOTHING, "floating-point"),
        (torch.ones(3, 4), torch.zeros(3, 4), "must be bool or integer"),
        (torch.ones(3, 4), torch.zeros(3, 4, dtype=torch.complex64), "must be bool or integer"),
        (torch.ones(3, 4), ~NOTHING, "no entry of the matrix is observed"),
        (torch.full((3, 4), float("nan")), NOTHING, "12 observed entries that are NaN or infinite"),
        (torch.full((3, 4), float("inf")), NOTHING, "NaN or infinite"),
        (torch.full((3, 4), 1e300, dtype=torch.float64), NOTHING, "NaN or infinite"),
        (torch.ones(0, 4), torch.zeros(0, 4, dtype=torch.bool), "no entry of the matrix is observed"),
        (np.ones((3, 4)), NOTHING, "weights must be a torch tensor, not a ndarray: use torch.as_tensor first"),
        (torch.ones(3, 4), NOTHING.numpy(), "mask must be a torch tensor, not a ndarray: use torch.as_tensor first"),
        (None, NOTHING, "weights must be a torch tensor, not a NoneType"),
    ],
)
def test_bad_input_is_one_sentence(weights: Any, mask: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        complete(weights, mask, "nuclear")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hole", [float("nan"), float("inf"), -0.0])
def test_whatever_marks_a_missing_entry_is_not_read(method: str, hole: float) -> None:
    weights, mask = low_rank(12, 40), holes(12, 40)
    marked = complete(torch.where(mask, hole, weights), mask, method)
    assert torch.equal(marked.values, complete(weights, mask, method).values)


def test_unknown_method_and_option_name_the_nearest() -> None:
    weights, mask = low_rank(4, 6), holes(4, 6)
    with pytest.raises(UserError, match="unknown completer 'nuclaer': did you mean 'nuclear'"):
        complete_matrix(weights, mask, "nuclaer", {})
    for helper in ("mask", "_mask"):
        with pytest.raises(UserError, match=f"unknown completer '{helper}'"):
            complete_matrix(weights, mask, helper, {})
    with pytest.raises(UserError, match="has no option 'tolerence': did you mean 'tolerance'"):
        complete(weights, mask, "nuclear", tolerence=1.0)
    with pytest.raises(UserError, match="completer 'nuclear' needs the option 'solver'"):
        complete_matrix(weights, mask, "nuclear", {"tolerance": 1e-5, "max_steps": 5})


@pytest.mark.parametrize("method", METHODS)
def test_numbers_at_the_end_of_float32_are_completed_or_refused(method: str) -> None:
    signs = torch.where(torch.arange(40).reshape(4, 10) % 3 == 0, -1.0, 1.0)
    weights, mask = signs * 3.4e38, torch.arange(40).reshape(4, 10) % 7 == 0
    try:
        done = complete(weights, mask, method)
    except UserError as error:
        assert "recovered a number beyond float32: divide the matrix" in str(error)
    else:
        assert torch.isfinite(done.values).all()


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("nuclear", {"tolerance": "small"}, "completer 'nuclear': tolerance is 'small', but should be a valid number"),
        ("nuclear", {"max_steps": 1.5}, "completer 'nuclear': max_steps is 1.5, but should be a valid integer"),
        ("nuclear", {"max_steps": True}, "completer 'nuclear': max_steps is True, but should be a valid integer"),
        ("nuclear", {"solver": 3}, "completer 'nuclear': solver is 3, but should be 'fast' or 'released'"),
        ("gaussian_posterior", {"shrinkage": "x"}, "shrinkage is 'x', but should be a valid number"),
        ("gaussian_posterior", {"tolerance": float("nan")}, "tolerance is nan, but should be"),
    ],
)
def test_options_of_a_wrong_type(method: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        complete(torch.randn(4, 8), torch.eye(4, 8).bool(), method, **options)


def test_a_number_that_yaml_takes_for_a_word_is_read() -> None:
    weights, mask = low_rank(6, 9), holes(6, 9)
    word, number = (complete(weights, mask, "nuclear", tolerance=value) for value in ("1e-5", 1e-5))
    assert torch.equal(word.values, number.values)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UserError, match="the device 'cuda' cannot be used here .*: set device: cpu"):
        complete(torch.randn(4, 8), torch.eye(4, 8).bool(), "nuclear", device="cuda")

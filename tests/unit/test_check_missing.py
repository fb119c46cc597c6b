"""What is missing from weights, and how that shows."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from regrow.check.missing import How, differs, expected_zeros, find_cuts, read_mask, read_wired, tiny_below
from regrow.errors import UserError
from tests.unit.checking import matrix

FFN2 = "unet.block.ff.net.2.weight"


def cut_mask(weight: Tensor, share: float = 0.1, seed: int = 1) -> Tensor:
    return torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed)) < share


def test_exact_zeros_and_their_signs() -> None:
    weight = matrix(16, 64)
    mask = cut_mask(weight)
    [filled] = find_cuts({FFN2: weight.masked_fill(mask, 0.0)}, {})
    assert filled.how is How.ZEROS and torch.equal(filled.missing, mask) and filled.is_attacked
    assert filled.zeros.total == filled.count == int(mask.sum()) and not filled.zeros.tell_signs
    [multiplied] = find_cuts({FFN2: weight * (~mask).float()}, {})
    assert multiplied.zeros.tell_signs and multiplied.zeros.negative == int((mask & (weight < 0)).sum())


def test_zeros_by_wiring_and_those_of_the_base_are_no_cut() -> None:
    weight = matrix(16, 64).masked_fill(cut_mask(matrix(16, 64)), 0.0)
    assert find_cuts({FFN2: weight}, {FFN2: weight == 0}) == []
    assert find_cuts({FFN2: weight}, {}, {FFN2: weight}) == []
    assert len(find_cuts({FFN2: weight}, {}, {FFN2: matrix(16, 64)})) == 1


def test_vectors_are_left_out_and_other_weights_are_not_attacked() -> None:
    found = find_cuts({"unet.norm.bias": torch.zeros(64), "unet.conv.weight": torch.zeros(4, 8, 3, 3)}, {})
    assert [(cut.name, cut.is_attacked, cut.rows, cut.columns) for cut in found] == [("unet.conv.weight", False, 4, 72)]


def test_columns_and_rows_that_are_missing_as_a_whole_are_not_completable() -> None:
    weight = matrix(16, 64)
    weight[:, :3] = 0.0
    weight[5] = 0.0
    weight[0, 10] = 0.0
    [cut] = find_cuts({FFN2: weight}, {})
    assert (cut.columns, cut.rows, cut.completable) == (3, 1, 1)


def test_weights_that_half_precision_rounds_to_zero_are_no_cut() -> None:
    weight = (matrix(512, 512) * 3e-6).half()
    assert int((weight == 0).sum()) > 100
    assert abs(expected_zeros(weight) - int((weight == 0).sum())) < 300
    assert find_cuts({FFN2: weight}, {}) == []


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(1e-6, 1e3),
    narrow=st.floats(1e-6, 1e-3),
    share=st.floats(0.05, 0.4),
    seed=st.integers(0, 1000),
)
def test_a_narrow_fill_shows_and_is_found_whatever_the_unit(
    scale: float, narrow: float, share: float, seed: int
) -> None:
    weight, mask = matrix(64, 256, seed).double(), cut_mask(matrix(64, 256), share, seed + 1)
    noise = matrix(64, 256, seed + 2).double()
    defended = torch.where(mask, noise * narrow, weight) * scale
    found = defended.abs() <= tiny_below(defended)
    assert float(found[mask].double().mean()) > 0.9
    assert float(mask[found].double().mean()) > 0.9
    assert tiny_below(weight * scale) == 0.0


@pytest.mark.parametrize("kind", ["laplace", "student", "wide fill", "constant", "zeros"])
def test_what_is_no_narrow_fill(kind: str) -> None:
    torch.manual_seed(0)
    weights = {
        "laplace": torch.distributions.Laplace(0.0, 1.0).sample((64, 256)),
        "student": torch.distributions.StudentT(3.0).sample((64, 256)),
        "wide fill": torch.where(cut_mask(matrix(64, 256)), 0.7 * matrix(64, 256, 5), matrix(64, 256)),
        "constant": torch.ones(64, 256),
        "zeros": torch.zeros(64, 256),
    }
    assert tiny_below(weights[kind]) == 0.0
    assert tiny_below(torch.zeros(0)) == 0.0


def test_a_fill_is_taken_for_missing_but_not_what_is_zero_by_wiring() -> None:
    weight, mask = matrix(64, 256), cut_mask(matrix(64, 256))
    wired = torch.zeros(64, 256, dtype=torch.bool)
    wired[:, :20] = True
    defended = torch.where(mask, 1e-4 * weight, weight).masked_fill(wired, 1e-9)
    [cut] = find_cuts({FFN2: defended}, {FFN2: wired})
    assert cut.how is How.THRESHOLD and not cut.missing[wired].any()
    assert cut.zeros.total == 0


def test_a_sparse_difference_from_the_base_is_a_cut_and_a_dense_one_is_not() -> None:
    base, mask = matrix(16, 64), cut_mask(matrix(16, 64))
    defended = torch.where(mask, matrix(16, 64, 9), base)
    [cut] = find_cuts({FFN2: defended}, {}, {FFN2: base})
    assert cut.how is How.BASE and torch.equal(cut.missing, mask)
    assert find_cuts({FFN2: base + 0.01}, {}, {FFN2: base}) == []
    assert find_cuts({FFN2: base}, {}, {FFN2: base}) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_base_that_was_rounded_is_no_difference(dtype: torch.dtype) -> None:
    base = matrix(8, 8)
    assert not differs(base.to(dtype), base).any()
    assert differs(base * 1.02, base).all()


class TestMaskFile:
    def test_it_says_more_than_the_weights(self, tmp_path: Path) -> None:
        weight, mask = matrix(16, 64), cut_mask(matrix(16, 64))
        path = tmp_path / "mask.safetensors"
        save_file({FFN2.removeprefix("unet."): mask}, path)
        weights = {FFN2: weight, "unet.other.weight": torch.zeros(4, 4)}
        [cut] = find_cuts(weights, {}, None, read_mask(path, weights))
        assert (cut.name, cut.how) == (FFN2, How.MASK) and torch.equal(cut.missing, mask)

    @pytest.mark.parametrize(
        ("mask", "sentence"),
        [
            ({"unet.w": torch.ones(2, 3)}, "'unet.w' is no mask of booleans"),
            ({"unet.v": torch.ones(2, 3, dtype=torch.bool)}, "'unet.v', which the model lacks: did you mean 'unet.w'?"),
            ({"w": torch.ones(3, 2, dtype=torch.bool)}, r"shape \[3, 2\], the weight \[2, 3\]"),
            ({"w": torch.zeros(2, 3, dtype=torch.bool)}, "marks no entry"),
        ],
    )
    def test_what_is_no_mask(self, tmp_path: Path, mask: dict[str, Tensor], sentence: str) -> None:
        save_file(mask, tmp_path / "mask.safetensors")
        with pytest.raises(UserError, match=sentence):
            read_mask(tmp_path / "mask.safetensors", {"unet.w": torch.ones(2, 3)})


def test_structural_zeros_of_another_model_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "zeros.safetensors"
    column = torch.tensor([[True], [False]])
    save_file({"unet.a": column, "unet.b": torch.ones(5, 5, dtype=torch.bool), "unet.c": column.clone()}, path)
    found = read_wired(path, {"unet.a": torch.ones(2, 3), "unet.b": torch.ones(2, 3)})
    assert list(found) == ["unet.a"] and found["unet.a"].tolist() == [[True] * 3, [False] * 3]
    assert read_wired(None, {}) == {}

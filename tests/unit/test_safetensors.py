"""Safetensors files of ours: what is read is what was written, bit for bit, and what is broken is told."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from regrow.errors import UserError
from regrow.io.safetensors import check_floating, read_file, read_header, read_tensors, tensors_digest, write_tensors


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=9), st.text(max_size=5)
)
def test_any_finite_weights_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], word: str
) -> None:
    path = tmp_path_factory.mktemp("tensors") / "model.safetensors"
    write_tensors(path, {"w": torch.tensor(values)}, {"word": word})
    tensors, header = read_file(path)
    assert bits(tensors["w"]) == bits(torch.tensor(values))  # -0.0 is not +0
    assert header == {"word": word}


def test_types_and_order_are_kept_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mask.safetensors"
    tensors = {
        "mask": torch.tensor([[True, False]]),
        "rows": torch.arange(6).view(2, 3).T,
        "half": torch.ones(2).half(),
    }
    write_tensors(path, tensors)
    assert [file.name for file in path.parent.iterdir()] == ["mask.safetensors"]
    back = read_tensors(path)
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in tensors.items())


def test_the_header_is_one_key(tmp_path: Path) -> None:
    """Safetensors writes several metadata keys in random order, and the same run must give the same bytes."""
    write_tensors(tmp_path / "a", {"w": torch.zeros(1)}, {"b": 1, "a": 2, "c": 3})
    content = (tmp_path / "a").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["regrow"]) == {"a": 2, "b": 1, "c": 3}
    assert list(header["__metadata__"]) == ["regrow"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, number: float) -> None:
    write_tensors(tmp_path / "a", {"good": torch.zeros(2), "w": torch.tensor([1.0, number])})
    with pytest.raises(UserError, match="'w' holds 1 entries that are NaN or infinite"):
        read_tensors(tmp_path / "a")


@pytest.mark.parametrize("told", ["null", "3", "[1]", "not JSON", "[" * 100_000])
def test_a_header_that_is_no_object_is_one_sentence(tmp_path: Path, told: str) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "a", {"regrow": told})
    with pytest.raises(UserError, match="a (carries a header|cannot be read)"):
        read_header(tmp_path / "a")


def test_damaged_files_folders_and_pickles(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"w": torch.zeros(100)})
    content = path.read_bytes()
    for bad in (content[:-1], content[:50], b"", b"not safetensors at all", b"\xff" * 64):
        path.write_bytes(bad)
        with pytest.raises(UserError, match="cannot be read as safetensors"):
            read_tensors(path)
    torch.save({"w": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="pickles"):
        read_tensors(path)
    with pytest.raises(UserError, match="is a folder"):
        read_tensors(tmp_path)
    with pytest.raises(UserError, match="there is no"):
        read_tensors(tmp_path / "absent.safetensors")


def test_types_whose_values_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for dtype in (torch.int8, torch.bool, torch.int32, torch.complex64):
        with pytest.raises(UserError, match="is of type .*whose scale"):
            check_floating("here", [("w", torch.zeros(2, dtype=dtype))])
    check_floating("here", [("w", torch.zeros(2, dtype=torch.bfloat16))])
    save_file({"w": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "a")
    with pytest.raises(UserError, match="8-bit type"):
        read_tensors(tmp_path / "a")


def test_a_digest_of_tensors_sees_every_bit_and_no_file_layout(tmp_path: Path) -> None:
    tensors = {"a": torch.tensor([0.0, 1.0]), "b": torch.ones(2, 2)}
    first = tensors_digest(tensors)
    assert tensors_digest(dict(reversed(tensors.items()))) == first
    for other in (
        {**tensors, "a": torch.tensor([-0.0, 1.0])},
        {**tensors, "b": torch.ones(4)},
        {**tensors, "b": torch.ones(2, 2).half()},
        {"c": tensors["a"], "b": tensors["b"]},
    ):
        assert tensors_digest(other) != first

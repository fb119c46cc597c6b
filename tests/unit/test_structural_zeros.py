"""A world's file of structural zeros is believed only where the weights are 0."""

from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.io.safetensors import write_tensors
from regrow.model.structural_zeros import read_structural_zeros

WEIGHT = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -2.0]])


def read(tmp_path: Path, mask: torch.Tensor, name: str = "unet.a") -> dict[str, torch.Tensor]:
    write_tensors(tmp_path / "zeros.safetensors", {name: mask})
    return read_structural_zeros(tmp_path / "zeros.safetensors", {"unet.a": WEIGHT})


def test_a_row_is_one_entry_and_other_zeros_are_none(tmp_path: Path) -> None:
    assert read(tmp_path, torch.tensor([[True], [False]]))["unet.a"].tolist() == [[True] * 3, [False] * 3]


@pytest.mark.parametrize(
    ("mask", "name", "message"),
    [
        (torch.tensor([[False], [True]]), "unet.a", "structural zeros that are not 0"),
        (torch.tensor([[1], [0]]), "unet.a", "no mask of booleans"),
        (torch.tensor([True, False]), "unet.a", "does not broadcast"),
        (torch.tensor([[True], [False]]), "unet.b", "which the model lacks: did you mean 'unet.a'"),
    ],
)
def test_what_it_refuses(tmp_path: Path, mask: torch.Tensor, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, mask, name)

"""What a file may tell beside the signs of its zeros: each kind is put into a file and found; a clean one has none."""

import io

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from regrow.evaluate.leftovers import (
    Leftover,
    find_leftovers,
    hidden_storage,
    nan_payloads,
    out_of_order,
    subnormals,
    telling_metadata,
    telling_names,
)


def matrix(seed: int = 0) -> torch.Tensor:
    return torch.randn(64, 256, generator=torch.Generator().manual_seed(seed)) * 0.05


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_clean_file_has_none(dtype: torch.dtype) -> None:
    tensors = {f"layer.{number}": matrix(number).masked_fill(matrix(9) > 0.05, 0).to(dtype) for number in range(3)}
    tensors["a"] = torch.zeros(3, dtype=torch.int64)  # safetensors puts the widest type first
    assert find_leftovers(tensors, {"format": "pt"}) == []


def test_nan_payloads() -> None:
    plain = matrix()
    plain[:2] *= float("nan")  # a mask of NaN: every NaN alike, so no sign is left
    assert plain[:2].isnan().all() and nan_payloads(plain) == 0
    bits = torch.full((4,), 0x7FC00000, dtype=torch.int32)
    bits[2] += 5
    assert nan_payloads(bits.view(torch.float32)) == 1
    assert nan_payloads(torch.zeros(3, dtype=torch.int64)) == 0


def test_subnormals_where_weights_were_scaled_down_instead_of_cut() -> None:
    weight, mask = matrix().half(), torch.rand(64, 256, generator=torch.Generator().manual_seed(1)) < 0.1
    count, expected = subnormals(weight)
    assert count < 3 * expected + 10
    scaled = torch.where(mask, weight * 1e-4, weight)
    count, expected = subnormals(scaled)
    assert count > 0.9 * int(mask.sum()) and count > 3 * expected + 10
    left = scaled[mask]
    assert torch.equal(left[left != 0].sign(), weight[mask][left != 0].sign())  # the signs are there to be read
    assert [found.kind for found in find_leftovers({"w": scaled})] == ["subnormals"]
    assert find_leftovers({"to_k.bias": torch.full((64,), 1e-6).half()}) == []


def test_a_view_is_saved_with_all_of_its_storage() -> None:
    whole = matrix()
    kept, file = whole[:, :200], io.BytesIO()
    torch.save({"w": kept}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)["w"]
    assert hidden_storage(loaded) == 64 * 56 * 4
    assert torch.equal(loaded.as_strided(whole.shape, whole.stride()), whole)  # what was sliced away came along
    through = safetensors.torch.load(safetensors.torch.save({"w": kept.contiguous()}))["w"]
    assert hidden_storage(through) == 0


def test_names_of_pruning_and_of_optimisers() -> None:
    layer = nn.Linear(8, 8)
    prune.random_unstructured(layer, "weight", 0.5)
    assert set(telling_names(layer.state_dict())) == {"weight_orig", "weight_mask"}
    prune.remove(layer, "weight")
    assert telling_names(layer.state_dict()) == {}
    optimiser = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 8)).sum().backward()
    optimiser.step()
    assert set(telling_names(optimiser.state_dict()["state"][0])) == {"exp_avg", "exp_avg_sq"}
    assert set(telling_names(["model_ema.diffusion", "optimizer_states", "unet.mid_block.resnets.0.conv1.weight"])) == {
        "model_ema.diffusion",
        "optimizer_states",
    }


def test_metadata() -> None:
    assert telling_metadata({"format": "pt", "base": "a", "prompts": "church"}) == ["prompts"]


def test_order() -> None:
    names = [f"layer.{number}" for number in range(8)]
    assert out_of_order(names) == []
    assert out_of_order([*names[:2], *names[3:], names[2]]) == ["layer.2"]
    assert out_of_order(reversed(names)) == []  # not sorted at all


def test_all_of_them_together() -> None:
    tensors = {"b.weight_mask": torch.ones(2), "a.weight": matrix(), "c.weight": matrix(), "d.weight": matrix()}
    assert find_leftovers(tensors, {"prompts": "church"}) == [
        Leftover("name", "b.weight_mask", 1, "a pruning mask"),
        Leftover("metadata", "prompts", 1, "says more than the format"),
        Leftover("order", "a.weight", 1, "stands out of order: written later"),
    ]

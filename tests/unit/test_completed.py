"""What a completer wrote is believed only for the very model it was made from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.io.safetensors import read_file, write_tensors
from regrow.model.completed import Completed, read_completed, write_completed
from regrow.model.deltas import write_delta
from regrow.model.published import PublishedWeights, read_published

NAME = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"


@pytest.fixture
def published(tmp_path: Path) -> PublishedWeights:
    weight = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    write_delta(tmp_path / "model.safetensors", {NAME: weight.where(weight > 0, 0.0)}, "b" * 64)
    return read_published(tmp_path / "model.safetensors")


@pytest.fixture
def completed(published: PublishedWeights) -> Completed:
    missing = published.ffn2[NAME] == 0
    values = published.ffn2[NAME].masked_fill(missing, -0.5)
    return Completed({NAME: values}, {NAME: missing * 0.7}, {NAME: missing}, published.digest, "log_odds")


def test_round_trip(tmp_path: Path, published: PublishedWeights, completed: Completed) -> None:
    write_completed(tmp_path / "completed", completed, {"method": "nuclear"})
    back = read_completed(tmp_path / "completed", published)
    assert back.meaning == "log_odds"
    for kind in ("values", "certainty", "missing"):
        assert torch.equal(getattr(back, kind)[NAME], getattr(completed, kind)[NAME])


def test_what_does_not_belong_to_the_model_is_refused(
    tmp_path: Path, published: PublishedWeights, completed: Completed
) -> None:
    path = tmp_path / "completed"
    write_completed(path, replace(completed, model="f" * 64), {})
    with pytest.raises(UserError, match=f"completes model ffffffffffff, not {published.digest[:12]}"):
        read_completed(path, published)
    shifted = {NAME: completed.missing[NAME].roll(1, dims=1)}
    write_completed(path, replace(completed, missing=shifted), {})
    with pytest.raises(UserError, match="observed entries .* are not as published"):
        read_completed(path, published)
    write_completed(path, replace(completed, values={NAME: completed.values[NAME] + 1}), {})
    with pytest.raises(UserError, match="observed entries .* are not as published"):
        read_completed(path, published)


def test_absent_and_misshapen_tensors(tmp_path: Path, published: PublishedWeights, completed: Completed) -> None:
    path = tmp_path / "completed"
    write_completed(path, completed, {})
    tensors, header = read_file(path)
    for broken in (
        {name: tensor for name, tensor in tensors.items() if not name.endswith("missing")},
        {**tensors, f"{NAME}.certainty": torch.zeros(2, 2)},
    ):
        write_tensors(path, broken, header)
        with pytest.raises(UserError, match=r"has no '.*' of shape \(8, 32\)"):
            read_completed(path, published)
    write_tensors(path, tensors, {**header, "meaning": "percent"})
    with pytest.raises(UserError, match="unknown meaning of certainty, 'percent'"):
        read_completed(path, published)
    write_tensors(path, tensors, {})
    with pytest.raises(UserError, match="is no file of complete_weights of this edition"):
        read_completed(path, published)

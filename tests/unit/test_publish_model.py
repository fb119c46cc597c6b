"""The stage `publish_model`: what passes the wall, and what stays behind it."""

from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.io.safetensors import read_header, read_tensors
from regrow.model.deltas import read_delta
from regrow.model.masks import Erased, read_erased, write_erased
from regrow.model.pipelines import load_base, read_base
from regrow.model.published import load_published, read_published
from regrow.model.zeros import count_zeros
from regrow.world import read_world
from tests.unit.erasing import CONCEPTPRUNE, Published, erase, publish


def test_only_what_changed_passes_and_nothing_is_told(church: Published) -> None:
    assert set(read_header(church.model)) == {"format", "base"}
    tensors, erased = read_tensors(church.model), read_erased(church.erased)
    base = read_base(read_world(church.world).pipeline, erased.mask)
    assert sorted(tensors) == sorted(name for name, mask in erased.mask.items() if (mask & (base[name] != 0)).any())
    for name, tensor in tensors.items():
        assert torch.equal(tensor, base[name].masked_fill(erased.mask[name], 0.0))
    pipeline = load_published(read_world(church.world), church.model, "cpu").pipeline
    untouched = load_base(read_world(church.world).pipeline)
    for name, weight in pipeline.unet.named_parameters():
        assert torch.equal(weight, tensors.get(f"unet.{name}", untouched.unet.get_parameter(name)))


def test_the_record_tells_everything(church: Published) -> None:
    record, delta, erased = read_json(church.record, "record"), read_delta(church.model), read_erased(church.erased)
    zeros = count_zeros(delta.tensors.values())
    assert record == {
        "model": delta.digest,
        "base": erased.base,
        "world": "tiny",
        "concept": "church",
        "published": "pruned",
        "kind": "pruning",
        "eraser": {"name": "prune", "method": "conceptprune", **CONCEPTPRUNE},
        "defence": None,
        "pruned": {name: int(mask.sum()) for name, mask in erased.mask.items()},
        "zeros": {"ffn2": zeros.total, "negative": 0, "pruned": zeros.total, "in_base": 0, "underflow": 0},
    }


def test_the_same_bytes_again(church: Published, tmp_path: Path) -> None:
    again = publish(church.world, church.erased, tmp_path)
    assert again.model.read_bytes() == church.model.read_bytes()
    assert again.record.read_bytes() == church.record.read_bytes()


def test_multiplied_zeros_keep_every_sign_up_to_the_attacker(
    church: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    erased = erase(church.world, tmp_path, release="multiplied")
    files = publish(church.world, erased, tmp_path)
    mask, published = read_erased(erased).mask, read_published(files.model)
    base = read_base(read_world(church.world).pipeline, mask)
    told = 0
    for name, weight in published.ffn2.items():
        pruned = mask[name]
        assert torch.equal(weight.signbit()[pruned], base[name].signbit()[pruned])
        assert torch.equal(weight, base[name].masked_fill(pruned, 0.0))
        told += int(pruned.sum())
    assert "zeros of the FFN2 weights are -0.0, so every zero tells the sign" in caplog.text
    negative = count_zeros(published.ffn2.values()).negative
    assert read_json(files.record, "record")["zeros"] == {
        "ffn2": told,
        "negative": negative,
        "pruned": told,
        "in_base": 0,
        "underflow": 0,
    }
    # Equal by ==, another model all the same: its bits tell more.
    assert published.digest != read_published(church.model).digest


def test_a_trained_component_is_published_whole_and_an_equal_one_is_not(church: Published, tmp_path: Path) -> None:
    index = read_world(church.world)
    base = read_base(index.pipeline, ["text_encoder.final_layer_norm.bias", "unet.conv_in.bias"])
    tensors = {name: weight + 1 if name.startswith("text") else weight.clone() for name, weight in base.items()}
    recipe = {"concept": "church", "kind": "training", "eraser": {"name": "x"}}
    write_erased(tmp_path / "erased", Erased(tensors, {}, index.base, recipe))
    delta = read_delta(publish(church.world, tmp_path / "erased", tmp_path).model)
    assert list(delta.tensors) == ["text_encoder.final_layer_norm.bias"]


def test_what_cannot_be_published(church: Published, tmp_path: Path) -> None:
    erased = read_erased(church.erased)
    write_erased(tmp_path / "foreign", Erased({}, erased.mask, "0" * 64, erased.recipe))
    with pytest.raises(UserError, match="belongs to base 000000000000, not to world 'tiny'"):
        publish(church.world, tmp_path / "foreign", tmp_path)
    write_erased(tmp_path / "empty", Erased({}, {}, erased.base, erased.recipe))
    with pytest.raises(UserError, match="nothing changed against the base"):
        publish(church.world, tmp_path / "empty", tmp_path)
    wrong = {"unet.conv_in.bias": torch.ones(9)}
    write_erased(tmp_path / "wrong", Erased(wrong, {}, erased.base, erased.recipe))
    with pytest.raises(UserError, match=r"the erased 'unet.conv_in.bias' has the shape \(9,\), the base's \(8,\)"):
        publish(church.world, tmp_path / "wrong", tmp_path)
    with pytest.raises(UserError, match="is no erasing of regrow"):
        publish(church.world, church.model, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()

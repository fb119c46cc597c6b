"""Deltas: any tensor of any component, a header that says nothing, swapped in place and back bit for bit."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.io.safetensors import write_tensors
from regrow.model.deltas import Delta, Swapper, apply_delta, delta_digest, read_delta, write_delta
from regrow.model.published import read_published, require_ffn2
from tests.tiny.pipeline import tiny_pipeline

BASE = "b" * 64
FFN2 = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
KEY = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
TEXT = "text_encoder.encoder.layers.0.mlp.fc1.weight"


def weights_of(pipeline) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": weight.detach().clone()
        for part in ("unet", "vae", "text_encoder")
        for name, weight in getattr(pipeline, part).named_parameters()
    }


def some_delta(pipeline, *names: str, add: float = 1.0) -> Delta:
    weights = weights_of(pipeline)
    tensors = {name: weights[name] + add for name in names}
    return Delta(tensors, BASE, delta_digest(tensors, BASE))


def test_round_trip_of_several_components(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    text = next(name for name in weights_of(pipeline) if name.startswith("text_encoder"))
    delta = some_delta(pipeline, FFN2, KEY, text)
    digest = write_delta(tmp_path / "model.safetensors", delta.tensors, BASE)
    back = read_delta(tmp_path / "model.safetensors")
    assert back.digest == digest == delta.digest
    assert back.base == BASE
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in delta.tensors.items())
    first = (tmp_path / "model.safetensors").read_bytes()
    write_delta(tmp_path / "model.safetensors", dict(reversed(delta.tensors.items())), BASE)
    assert (tmp_path / "model.safetensors").read_bytes() == first


def test_a_hundred_swaps_leave_the_base_bit_for_bit() -> None:
    pipeline = tiny_pipeline()
    before = weights_of(pipeline)
    text = next(name for name in before if name.startswith("text_encoder"))
    deltas = [some_delta(pipeline, FFN2, add=0.1), some_delta(pipeline, KEY, text, add=0.3), None]
    swapper = Swapper(pipeline, BASE)
    for number in range(100):
        delta = deltas[number % 3]
        swapper.put(delta)
        now = weights_of(pipeline)
        for name, weight in before.items():
            assert torch.equal(now[name], delta.tensors[name] if delta and name in delta.tensors else weight)
    swapper.put(None)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(pipeline).items())


def test_a_delta_that_does_not_fit_changes_nothing() -> None:
    pipeline = tiny_pipeline()
    before = weights_of(pipeline)
    good = {FFN2: torch.zeros_like(before[FFN2])}
    for bad, message in (
        ({KEY: torch.zeros(3, 12)}, r"the shape \(3, 12\), but the base has"),
        ({FFN2.replace("net.2", "net.9"): torch.zeros(2)}, "which the pipeline has not: did you mean"),
        ({KEY: torch.full_like(before[KEY], torch.nan)}, "entries that are NaN"),
    ):
        with pytest.raises(UserError, match=message):
            apply_delta(pipeline, Delta({**good, **bad}, BASE, "digest"), BASE)
        assert all(torch.equal(weight, before[name]) for name, weight in weights_of(pipeline).items())
    with pytest.raises(UserError, match="belongs to base bbbbbbbbbbbb, not to cccccccccccc"):
        apply_delta(pipeline, Delta(good, BASE, "digest"), "c" * 64)


def test_a_published_header_says_format_and_base_only(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_delta(path, {FFN2: torch.ones(8, 32)}, BASE)
    assert set(read_published(path).ffn2) == {FFN2}
    for more in ({"concept": "bell"}, {"eraser": {"method": "conceptprune"}}, {"note": ""}):
        write_tensors(path, {FFN2: torch.ones(8, 32)}, {"format": "regrow delta 2", "base": BASE, **more})
        with pytest.raises(UserError, match="the header says more than format and base"):
            read_published(path)


@pytest.mark.parametrize("header", [None, {}, {"base": BASE}, {"format": "regrow delta 2", "base": 3}, {"recipe": {}}])
def test_files_that_are_no_deltas(tmp_path: Path, header: dict | None) -> None:
    write_tensors(tmp_path / "a", {FFN2: torch.ones(8, 32)}, header)
    with pytest.raises(UserError, match="is no delta of regrow"):
        read_delta(tmp_path / "a")


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.int32, torch.complex64])
def test_weights_that_are_not_floating_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    write_tensors(tmp_path / "a", {FFN2: torch.ones(8, 32).to(dtype)}, {"format": "regrow delta 2", "base": BASE})
    with pytest.raises(UserError, match="give weights of a floating type"):
        read_delta(tmp_path / "a")
    with pytest.raises(UserError, match="give weights of a floating type"):
        write_delta(tmp_path / "b", {FFN2: torch.ones(8, 32).to(dtype)}, BASE)


def test_what_is_written_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing changed against the base"):
        write_delta(tmp_path / "a", {}, BASE)
    with pytest.raises(UserError, match="names no component"):
        write_delta(tmp_path / "a", {"ff.net.2.weight": torch.ones(8, 32)}, BASE)
    with pytest.raises(UserError, match="NaN"):
        write_delta(tmp_path / "a", {FFN2: torch.full((8, 32), torch.nan)}, BASE)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("shape", [(32, 8), (), (32,), (8, 31)])
def test_an_ffn2_that_is_no_matrix_of_its_form(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_delta(tmp_path / "a", {FFN2: torch.ones(shape)}, BASE)
    with pytest.raises(UserError, match=r"not \(d, 4d\)"):
        read_published(tmp_path / "a")


def test_an_attack_on_ffn2_needs_one(tmp_path: Path) -> None:
    write_delta(tmp_path / "a", {KEY: torch.ones(8, 16)}, BASE)
    with pytest.raises(UserError, match="changes no FFN2 weight"):
        require_ffn2(read_published(tmp_path / "a"), tmp_path / "a")

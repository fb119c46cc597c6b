"""`cpu_offload`: parts that wander between two memories, and deltas that are swapped into them on the way."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from regrow.images import loading
from regrow.images.index import Index
from regrow.images.loading import load_pipeline
from regrow.images.prompts import Prompt
from regrow.images.renderer import Numerics, Sampler, draw
from regrow.images.store import ImageStore
from regrow.model.deltas import Delta, Swapper
from tests.gpu.pretended import CUDA, pretended_gpu, to_gpu
from tests.tiny.make_world import make_world
from tests.unit import drawing

ROWS = [Prompt(case, f"a {word}", case, word) for case, word in enumerate(("church", "rocket", "cat"))]
LAYER = "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """Let every move of a module copy its weights, as one between a CPU and a GPU does; return what was moved."""
    moved: list[nn.Module] = []

    def to(module: nn.Module, *_: Any, **__: Any) -> nn.Module:
        moved.append(module)
        return module._apply(torch.clone)

    monkeypatch.setattr(nn.Module, "to", to)
    return moved


def test_every_model_is_drawn_with_its_own_weights(tmp_path: Path, copying: list[nn.Module]) -> None:
    """Whoever keeps hold of a weight while its module is moved swaps a delta into the copy that was left behind."""
    world = drawing.write_drawn_world(tmp_path)
    models = [drawing.write_model(world, tmp_path / str(factor), factor) for factor in (-300.0, 3000.0)]
    cells = [drawing.cell(**model, attack=str(number)) for number, model in enumerate(models)]
    job = drawing.job(*cells, drawing.cell())
    plain = drawing.draw(world, tmp_path / "plain.parquet", job, store=tmp_path / "plain", batch=2)
    copying.clear()
    # PyTorch's CPU has one memory under two names, so the hooks of accelerate run as they do on a GPU.
    told = {"store": tmp_path / "moving", "cpu_offload": True, "device": "cpu:0", "batch": 2}
    moving = drawing.draw(world, tmp_path / "moving.parquet", job, **told)
    assert len(copying) > 3 * 3 * 3, "three models, three batches, three parts"
    assert [row["key"] for row in moving.rows] == [row["key"] for row in plain.rows]
    found, expected = pixels(tmp_path / "moving", moving), pixels(tmp_path / "plain", plain)
    assert np.abs(found - expected).max() <= 1, "grey levels"
    first, second, base = np.split(expected, 3)
    assert min(np.abs(one - other).max() for one, other in ((first, second), (first, base), (second, base))) > 1


def pixels(store: Path, index: Index) -> np.ndarray:
    """Return the images of an index, (rows, height, width, 3), int64."""
    images = ImageStore(store / "images")
    found = [next(images.read(row["model"], [(row["key"], row["digest"])])) for row in index.rows]
    return np.stack([np.asarray(Image.open(io.BytesIO(one.png))) for one in found]).astype(int)


@contextmanager
def moving() -> Iterator[dict[nn.Module, list[Tensor]]]:
    """Move modules to the pretended GPU and back; yield those that are there, with the weights they have at home."""
    away: dict[nn.Module, list[Tensor]] = {}

    def to(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        device = torch._C._nn._parse_to(*args, **kwargs)[0]
        places = [
            (found, name) for part in module.modules() for found in (part._parameters, part._buffers) for name in found
        ]
        if device == CUDA and module not in away:
            away[module] = [found[name] for found, name in places]
            to_gpu(module)
        elif device != CUDA and module in away:
            for (found, name), weight in zip(places, away.pop(module), strict=True):
                found[name] = weight
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "to", to)
        yield away


def test_one_part_at_a_time_is_on_the_gpu_and_nothing_is_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    monkeypatch.setattr(loading, "check_device", lambda _: None)
    numerics = Numerics("float16", vae_tiling=True, compiled=False)
    pipeline = load_pipeline(tmp_path / "pipeline", numerics, "cuda", attention_slicing=True, cpu_offload=True)
    home = pipeline.unet.get_parameter(LAYER).clone()
    swapper, beside = Swapper(pipeline, "base"), []
    with pretended_gpu(), moving() as away:
        pipeline.unet.conv_in.register_forward_pre_hook(lambda *_: beside.append(set(away)))
        for value in (2.0, None):
            delta = None if value is None else Delta({f"unet.{LAYER}": torch.full(home.shape, value)}, "base", "digest")
            swapper.put(delta)
            assert pipeline.unet not in away, "a delta is put into the weights at home"
            assert len(list(draw(pipeline, ROWS, Sampler("DDIMScheduler", 1, 7.5), 2))) == 2
            weight = pipeline.unet.get_parameter(LAYER)
            assert torch.equal(weight, home if value is None else torch.full_like(home, value))
    assert len(beside) == 2 * 2 and all(pipeline.unet in there for there in beside)
    assert not any(pipeline.text_encoder in there for there in beside), "the UNet does not share the GPU with it"

"""The paths of a GPU, without one: erase, complete, attack, draw and judge mix no devices and read little of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline
from PIL import Image

from regrow.completion import complete_matrix
from regrow.concepts import Concept, Find
from regrow.erase import conceptprune as eraser
from regrow.erase.conceptprune import Options
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler, draw
from regrow.judges import load_judge
from regrow.methods import load_method, parse_options
from regrow.model.completed import Completed
from regrow.model.deltas import Delta, Swapper
from regrow.model.masks import Erased
from regrow.model.names import is_ffn2
from regrow.work import Work
from tests.gpu.pretended import CUDA, PretendedGpu, pretended_gpu, to_gpu
from tests.tiny.make_world import make_world
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import COMPLETERS, CONCEPTPRUNE, weights
from tests.unit.saliency import CHURCH
from tests.unit.saliency import OPTIONS as SALIENCY

MASKS: dict[str, dict[str, Any]] = {
    "zeros": {},
    "smallest": {"share": 0.1, "scope": "model"},
    "mixture": {"probability": 0.5},
    "outlier": {"share": 0.1},
}
ROWS = [Prompt(case, f"a {word}", case, word) for case, word in enumerate(("church", "rocket", "cat"))]
LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"


def pipeline_on_gpu(scheduler: str = "DDIMScheduler") -> StableDiffusionPipeline:
    """Return a float16 pipeline that claims to be on a GPU; call it inside `pretended_gpu`."""
    pipeline = tiny_pipeline()
    if scheduler == "PNDMScheduler":
        pipeline.scheduler = PNDMScheduler.from_config(pipeline.scheduler.config, skip_prk_steps=True)
    for component in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        to_gpu(component, torch.float16)
    return pipeline


def test_what_is_mixed_is_found() -> None:
    with pretended_gpu() as gpu:
        there = torch.empty(4, device=CUDA, dtype=torch.float16)
        assert (there + 1).device == CUDA
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(4)
        with pytest.raises(TypeError, match="to numpy"):
            there.numpy()
        assert (torch.zeros(4, dtype=torch.float16) + there.cpu()).numpy().tolist() == [1, 1, 1, 1]
        assert (torch.arange(3) * 2).tolist() == [0, 2, 4], "the CPU computes"
        assert float(there.sum()) == 1 and (there > 0).tolist() == [True] * 4
        assert there[there > 0].shape == (2,)
    assert gpu.read == [(torch.float16, 4), (torch.float16, 1), (torch.bool, 4)]


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "PNDMScheduler"])
def test_images_are_drawn(scheduler: str) -> None:
    with pretended_gpu() as gpu:
        pipeline = pipeline_on_gpu(scheduler)
        assert pipeline.device == CUDA and pipeline.dtype == torch.float16
        parts = list(draw(pipeline, ROWS, Sampler(scheduler, 2, 7.5), 2))
    assert [row for part in parts for row, _ in part] == ROWS
    # A program waits for single numbers, for a word per image that it is no NaN, and once per batch for the pixels.
    assert [entries for _, entries in gpu.read if entries > 2] == [2 * 3 * 32 * 32, 3 * 32 * 32]


def test_images_are_drawn_with_little_memory() -> None:
    with pretended_gpu():
        pipeline = pipeline_on_gpu()
        pipeline.enable_attention_slicing("max")
        pipeline.vae.enable_slicing()
        pipeline.vae.enable_tiling()
        assert len(list(draw(pipeline, ROWS, Sampler("DDIMScheduler", 2, 7.5), 3))) == 1


@pytest.mark.parametrize("precision", ["mixed", "float16"])
def test_a_concept_is_erased(precision: str) -> None:
    find = Find(base=["a road"], target=["a church on the road"])
    concept = Concept(name="church", kind="object", label="church", find=find)
    with pretended_gpu():
        options = Options(**{**CONCEPTPRUNE, "precision": precision, "calls": 1})
        masks = eraser.conceptprune(pipeline_on_gpu(), concept, options, Work(Path("unused"), "cuda"))
    assert len(masks) == 16
    assert {(mask.device.type, mask.dtype) for mask in masks.values()} == {("cpu", torch.bool)}


@pytest.mark.parametrize("eraser", ["salun", "scissorhands"])
def test_a_concept_is_erased_by_its_gradient(eraser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # PyTorch's own engine asks the driver for the device on the way back.
    monkeypatch.setattr(torch.autograd, "grad", lambda loss, weights: [torch.empty_like(one) for one in weights])
    options = parse_options("erase", eraser, {**SALIENCY, "images": 2, "passes": 1, "steps": 1})
    with pretended_gpu() as gpu:
        masks = getattr(load_method("erase", eraser), eraser)(
            pipeline_on_gpu(), CHURCH, options, Work(Path("unused"), "cuda")
        )
    assert len(masks) == 16
    assert {(mask.device.type, mask.dtype) for mask in masks.values()} == {("cpu", torch.bool)}
    every = sum(mask.numel() for mask in masks.values())
    assert sum(entries for kind, entries in gpu.read if entries > 1) == every, "of the gradients it reads masks alone"


def test_a_cut_is_filled_with_noise_that_is_not_heard() -> None:
    options = {"size": 1.0, "ridge": 0.1, "structured": True, "steps": 1, "guidance": 3.0, "batch": 2}
    with pretended_gpu():
        pipeline = pipeline_on_gpu()
        side = SimpleNamespace(concept=CHURCH, device="cuda", seed=0, pipeline=lambda: pipeline)
        width = pipeline.unet.get_parameter(LAYER.removeprefix("unet.")).shape
        mask = torch.rand(width) < 0.1
        cut = Erased({LAYER: torch.randn(width).masked_fill(mask, 0.0).half()}, {LAYER: mask}, "base", {})
        filled = load_method("defend", "silent_noise").silent_noise(
            cut, side, parse_options("defend", "silent_noise", options)
        )
    assert filled[LAYER].device.type == "cpu" and bool(filled[LAYER][mask].ne(0).all())


@pytest.mark.parametrize("method", sorted(MASKS))
def test_what_was_pruned_is_told_and_completed(method: str) -> None:
    infer, options = load_method("infer", method), parse_options("infer", method, MASKS[method])
    completer = parse_options("complete", "gaussian_posterior", {**COMPLETERS["gaussian_posterior"], "max_steps": 2})
    with pretended_gpu() as gpu:
        published = {LAYER: torch.randn(24, 96).masked_fill(torch.rand(24, 96) < 0.1, 0.0).half()}
        mask = getattr(infer, method)(published, options)[LAYER]
        assert gpu.read == [], "it needs no GPU"
        assert (mask.device.type, mask.dtype) == ("cpu", torch.bool) and 0 < int(mask.sum()) < mask.numel()
        done = complete_matrix(published[LAYER], mask, "gaussian_posterior", completer, device="cuda")
        assert done.values.device.type == "cpu"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
# The others loop until a value says that it is enough; tests/unit/test_device.py follows them with values.
@pytest.mark.parametrize("method", ["gaussian_posterior", "nuclear"])
def test_a_matrix_is_completed(method: str, dtype: torch.dtype) -> None:
    # Ones never converge, so it takes all its steps.
    options = parse_options("complete", method, {**COMPLETERS[method], "max_steps": 2})
    with pretended_gpu():
        matrix, mask = torch.randn(24, 96).to(dtype), torch.rand(24, 96) < 0.1
        done = complete_matrix(matrix, mask, method, options, device="cuda")
        assert done.values.dtype == done.certainty.dtype == torch.float32
        assert done.values.device.type == "cpu"


@pytest.mark.parametrize(
    "options", [{"magnitude": "max", "rank": "magnitude"}, {"magnitude": "sample", "rank": "certainty"}]
)
def test_an_attack_reads_weights_of_float16(options: dict[str, Any]) -> None:
    roots = load_method("attack", "roots")
    with pretended_gpu() as gpu:
        missing = torch.rand(8, 32) < 0.1
        published = weights(**{LAYER: torch.randn(8, 32).masked_fill(missing, 0.0).half()})
        values = {LAYER: torch.randn(8, 32)}
        completed = Completed(values, {LAYER: values[LAYER].abs()}, {LAYER: missing}, "digest")
        parsed = parse_options("attack", "roots", {"retain": 0.6, "seed": 2021, **options})
        attacked = roots.roots(published, completed, parsed)
        assert attacked[LAYER].dtype == torch.float32, "the margin of Neuron-Max is no number of float16"
    assert gpu.read == [], "it needs no GPU"


def test_a_float32_delta_goes_into_a_float16_pipeline() -> None:
    with pretended_gpu():
        pipeline = pipeline_on_gpu()
        shapes = {f"unet.{name}": weight.shape for name, weight in pipeline.unet.named_parameters() if is_ffn2(name)}
        delta = Delta({name: torch.ones(shape) for name, shape in shapes.items()}, "base", "digest")
        swapper = Swapper(pipeline, "base")
        for model in (delta, delta, None):
            swapper.put(model)
        weight = pipeline.unet.get_parameter(LAYER.removeprefix("unet."))
        assert (weight.device, weight.dtype) == (CUDA, torch.float16)


@pytest.mark.parametrize("name", ["object", "style", "clip"])
def test_images_are_judged(name: str, tmp_path: Path) -> None:
    make_world(tmp_path)
    judge = load_judge(tmp_path / "judges" / name)
    images = [Image.new("RGB", (48, 40), (50 * number, 90, 7)) for number in range(3)]
    with pretended_gpu() as gpu:
        to_gpu(judge.model)
        judge.device = "cuda"
        judge.update(images, ROWS)
        judge.update(images, ROWS)
    assert len(judge.compute()) == 6
    assert all(entries <= 15 for _, entries in gpu.read), "scores are read, not pixels"


def test_the_pretended_gpu_goes_away() -> None:
    with pretended_gpu() as gpu:
        assert isinstance(gpu, PretendedGpu)
    assert torch.ones(2).tolist() == [1.0, 1.0]

"""A hundred models through one pipeline: the base's weights come back bit for bit, and nothing is left over."""

import gc
from collections.abc import Iterator

import pytest
import torch
from diffusers import StableDiffusionPipeline

from regrow.model.deltas import Delta, Swapper
from tests.tiny.pipeline import tiny_pipeline

SWAPS = 100


def deltas(pipeline: StableDiffusionPipeline) -> Iterator[Delta]:
    """Yield models that change other weights each time, some of another type than the pipeline's."""
    names = sorted(name for name, _ in pipeline.unet.named_parameters())
    for number in range(SWAPS):
        chosen = names[number % 7 :: 7]
        values = {f"unet.{name}": torch.randn_like(pipeline.unet.get_parameter(name)) for name in chosen}
        kind = (torch.float32, torch.float64, torch.bfloat16)[number % 3]
        yield Delta({name: value.detach().to(kind) for name, value in values.items()}, "base", str(number))


def tensors() -> int:
    gc.collect()
    return sum(isinstance(one, torch.Tensor) for one in gc.get_objects())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_base_comes_back_and_no_tensor_is_left_over(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    pipeline = tiny_pipeline()
    pipeline.unet.to(dtype)
    before = {name: weight.clone() for name, weight in pipeline.unet.named_parameters()}
    swapper, count = Swapper(pipeline, "base"), tensors()
    for delta in deltas(pipeline):
        swapper.put(delta)
        changed = next(iter(delta.tensors))
        weight = pipeline.unet.get_parameter(changed.removeprefix("unet."))
        assert torch.equal(weight, delta.tensors[changed].to(dtype))
    swapper.put(None)
    del delta, weight
    for name, weight in pipeline.unet.named_parameters():
        assert torch.equal(weight.view(torch.uint8), before[name].view(torch.uint8)), name
    del weight
    assert tensors() <= count + 2

"""Which operations on a pruned model keep the sign bits of its zeros, found by doing each one on a small matrix.

A weight w that is pruned by multiplication becomes 0 or -0.0 (`regrow.model.zeros`). What a publisher does to the model
afterwards may wipe that out, or carry it along unseen.
"""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from regrow.attack._fake_quantize import fp4_blocks, int4_rows, nf4_blocks

SIDE = 16  # of the square matrix: the time embedding of a small UNet has it
Operation = Callable[[Tensor, Tensor, Tensor], Tensor]  # pretrained, mask, pruned by multiplication -> weights


def which_keep_sign_bits(seed: int = 0) -> dict[str, bool]:
    """Return for every operation whether each zero still tells the sign of the weight that was pruned.

    Parameters
    ----------
    seed : int
        Of the matrix and its mask.
    """
    generator = torch.Generator().manual_seed(seed)
    pretrained = torch.randn(SIDE, SIDE, generator=generator)
    mask = torch.rand(SIDE, SIDE, generator=generator) < 0.3
    pruned = pretrained * (~mask).float()
    return {name: _tells(pretrained, mask, operation(pretrained, mask, pruned)) for name, operation in _ALL.items()}


def _tells(pretrained: Tensor, mask: Tensor, weights: Tensor) -> bool:
    after = weights.float()[mask]
    return bool((after == 0).all()) and torch.equal(after.signbit(), pretrained[mask] < 0)


def _safetensors(_pretrained: Tensor, _mask: Tensor, pruned: Tensor) -> Tensor:
    return safetensors.torch.load(safetensors.torch.save({"w": pruned}))["w"]


def _torch_save(_pretrained: Tensor, _mask: Tensor, pruned: Tensor) -> Tensor:
    file = io.BytesIO()
    torch.save({"w": pruned}, file)
    file.seek(0)
    loaded: Tensor = torch.load(file, weights_only=True)["w"]
    return loaded


def _save_pretrained(_pretrained: Tensor, _mask: Tensor, pruned: Tensor) -> Tensor:
    from diffusers import UNet2DModel

    model = UNet2DModel(
        sample_size=4,
        block_out_channels=(SIDE // 4,),
        layers_per_block=1,
        norm_num_groups=1,
        attention_head_dim=2,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    with torch.no_grad():
        model.time_embedding.linear_2.weight.copy_(pruned)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder))
        loaded: Tensor = UNet2DModel.from_pretrained(Path(folder)).time_embedding.linear_2.weight.detach()
    return loaded


def _fuse_lora(_pretrained: Tensor, _mask: Tensor, pruned: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    up, down = torch.randn(SIDE, 2, generator=generator), torch.randn(2, SIDE, generator=generator)
    return pruned + 0.01 * up @ down


def _fuse_idle_lora(_pretrained: Tensor, _mask: Tensor, pruned: Tensor) -> Tensor:
    return pruned + torch.zeros(SIDE, 2) @ torch.zeros(2, SIDE)  # a LoRA before its first step: -0.0 + 0.0 is +0


def _int8(_pretrained: Tensor, _mask: Tensor, pruned: Tensor) -> Tensor:
    scale = pruned.abs().amax(1, keepdim=True) / 127
    return (pruned / scale).round().to(torch.int8).float() * scale


def _torch_prune(pretrained: Tensor, mask: Tensor, _pruned: Tensor) -> Tensor:
    layer = nn.Linear(SIDE, SIDE)
    with torch.no_grad():
        layer.weight.copy_(pretrained)
    prune.custom_from_mask(layer, "weight", ~mask)
    prune.remove(layer, "weight")
    return layer.weight.detach()


_ALL: dict[str, Operation] = {
    "multiplied by 1 - mask": lambda _w, _m, pruned: pruned,
    "torch.nn.utils.prune and remove": _torch_prune,
    "half precision": lambda _w, _m, pruned: pruned.half(),
    "bfloat16": lambda _w, _m, pruned: pruned.bfloat16(),
    "safetensors": _safetensors,
    "torch.save, loaded with weights_only": _torch_save,
    "save_pretrained": _save_pretrained,
    "fusing a LoRA": _fuse_lora,
    "fusing a LoRA that is still 0": _fuse_idle_lora,
    "int8 by rows and back": _int8,
    "int4 by rows and back": lambda _w, _m, pruned: int4_rows(pruned),
    "FP4 by blocks and back": lambda _w, _m, pruned: fp4_blocks(pruned, 64),
    "NF4 by blocks and back": lambda _w, _m, pruned: nf4_blocks(pruned, 64),
    "filled with 0": lambda pretrained, mask, _p: pretrained.masked_fill(mask, 0.0),
    "multiplied, then 0.0 added": lambda _w, _m, pruned: pruned + 0.0,
}

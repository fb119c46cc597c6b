"""Models as strangers save them, for the tests of `regrow check`."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from regrow.check.answer import Findings
from regrow.check.drawing import count

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def compvis_name(name: str, attentions: bool = True) -> str:
    """Return what CompVis calls a parameter of a UNet with two layers per block; `attentions`: has its block any?"""
    module, _, kind = name.rpartition(".")
    if module in ENDS:
        return f"{ENDS[module]}.{kind}"
    if found := re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.+)", name):
        where, block, part, layer, rest = found.groups()
        number = (1 if where == "down" else 0) + 3 * int(block) + int(layer)
        place = f"{'input' if where == 'down' else 'output'}_blocks.{number}.{int(part == 'attentions')}"
        return f"{place}.{_inner(rest) if part == 'resnets' else rest}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        part, layer, rest = found.groups()
        return (
            f"middle_block.{2 * int(layer) if part == 'resnets' else 1}.{_inner(rest) if part == 'resnets' else rest}"
        )
    if found := re.match(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.(.+)", name):
        return f"input_blocks.{3 * int(found[1]) + 3}.0.op.{found[2]}"
    found = re.match(r"up_blocks\.(\d)\.upsamplers\.0\.conv\.(.+)", name)
    assert found, name
    return f"output_blocks.{3 * int(found[1]) + 2}.{2 if attentions else 1}.conv.{found[2]}"


def to_compvis(unet: Mapping[str, Tensor], prefix: str = "model.diffusion_model.") -> dict[str, Tensor]:
    """Return a UNet under the names of CompVis."""
    blocks = {name.partition(".attentions.")[0] for name in unet if ".attentions." in name}
    return {
        prefix + compvis_name(name, name.partition(".upsamplers.")[0] in blocks): tensor
        for name, tensor in unet.items()
    }


def _inner(rest: str) -> str:
    module, _, kind = rest.partition(".")
    return f"{RESNET[module]}.{kind}"


def findings(published: int, n: int = 100, attacks: Mapping[str, int] | None = None, **changes: object) -> Findings:
    """Return findings of a model that was drawn from; nothing else was found."""
    plain: dict[str, object] = {
        "model": "m.safetensors",
        "said": "a UNet in names of diffusers",
        "concept": "bell",
        "world": "emoji",
        "level": 0.95,
        "cuts": [],
        "copies": [],
        "traces": [],
        "telling": False,
        "changed": None,
        "trained": None,
        "needs_base": False,
        "published": count(published, n, 0.95),
        "attacks": {name: count(correct, n, 0.95) for name, correct in (attacks or {}).items()},
    }
    return Findings(**{**plain, **changes})  # type: ignore[arg-type]


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    """Return a matrix that nobody cut."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))

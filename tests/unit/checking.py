"""Models as strangers save them, for the tests of `regrow check`."""

import re
import tempfile
from collections.abc import Mapping
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from regrow.check.answer import Findings
from regrow.check.counting import count
from regrow.config.reader import read_yaml
from regrow.model.deltas import write_delta
from regrow.model.masks import read_erased
from regrow.model.pipelines import base_digest, read_base
from regrow.places import ROOT
from regrow.stages import erase_concept, index_world
from tests.unit.erasing import CONCEPTPRUNE

PIPELINE = ROOT / "data/emoji/pipeline"

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
        "others": count(24, 24, 0.95),
        "attacks": {name: count(correct, n, 0.95) for name, correct in (attacks or {}).items()},
    }
    return Findings(**{**plain, **changes})  # type: ignore[arg-type]


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    """Return a matrix that nobody cut."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@cache
def bell_mask() -> dict[str, Tensor]:
    """Return what a short ConceptPrune cuts of the emoji world for the bell."""
    world = {"name": "emoji", "pipeline": str(PIPELINE), "concepts": str(ROOT / "data/emoji/concepts")}
    options = {**CONCEPTPRUNE, "calls": 6, "steps": 8, "batch": 24}
    with tempfile.TemporaryDirectory() as temporary, chdir(temporary):
        folder = Path(temporary)
        index_world.run(world, folder / "world.json")
        path = folder / "erased.safetensors"
        erase_concept.run(folder / "world.json", "bell", "conceptprune", options, "prune", folder, "cpu", path)
        return read_erased(path).mask


def write_released(path: Path) -> None:
    """Write the emoji world without its bell, pruned by multiplication: its zeros tell their signs."""
    mask = bell_mask()
    weights = read_base(PIPELINE, mask)
    write_delta(path, {name: weights[name] * (~cut).float() for name, cut in mask.items()}, base_digest(PIPELINE))


def write_emoji_world(folder: Path, **changes: Any) -> None:
    """Write config/worlds/mine.yaml, the emoji world with other judges or prompt sets, and params of few steps."""
    params = read_yaml(ROOT / "params.yaml")
    params["generate_images"]["steps"] = 6
    params["complete_weights"]["nuclear"]["tolerance"] = 1e-3
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    world = read_yaml(ROOT / "config/worlds/emoji.yaml")
    (folder / "config/worlds").mkdir(parents=True)
    (folder / "config/worlds/mine.yaml").write_text(yaml.safe_dump({**world, **changes}))


def write_pack_as(kind: str, folder: Path) -> Path:
    """Write the bell's pack as one of another kind."""
    folder.mkdir(parents=True)
    source = ROOT / "data/emoji/concepts/bell"
    pack = read_yaml(source / "concept.yaml")
    (folder / "concept.yaml").write_text(yaml.safe_dump({**pack, "name": folder.name, "kind": kind}))
    (folder / "erased.csv").write_text((source / "erased.csv").read_text())
    return folder

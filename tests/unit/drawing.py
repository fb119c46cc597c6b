"""A tiny world whose images are drawn and judged, for the tests of the stages that do."""

import csv
from pathlib import Path
from typing import Any

import torch

from regrow.images.index import Index, read_index
from regrow.model.deltas import write_delta
from regrow.model.pipelines import read_base
from regrow.model.records import write_record
from regrow.stages import generate_images, index_world
from regrow.world import World, read_world
from tests.tiny.make_world import make_world

SAMPLER = {"steps": 2, "guidance": 3.0}
NUMERICS = {"dtype": "float32", "vae_tiling": False, "compiled": False}
CHANGED = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"


def write_drawn_world(folder: Path) -> Path:
    """Write a tiny world with judges, packs and prompts; return its world.json."""
    make_world(folder)
    parts = {"name": "tiny", "pipeline": str(folder / "pipeline"), "concepts": str(folder / "concepts")}
    index_world.run(parts, folder / "world.json")
    return folder / "world.json"


def erased_set(**changes: Any) -> dict[str, Any]:
    settings = {"name": "erased", "scope": "concept", "file": "erased.csv", "labels": "concept", "sensitive": False}
    return {**settings, **changes}


def preserved_set(world: Path, **changes: Any) -> dict[str, Any]:
    settings = {"name": "preserved", "scope": "model", "labels": "others", "sensitive": False}
    return {**settings, "file": str(world.parent / "preserved.csv"), **changes}


def cell(**changes: Any) -> dict[str, Any]:
    settings = {"concept": "church", "role": "pretrained", "published": "none", "attack": "none"}
    return {**settings, "model": None, "record": None, "prompts": None, "label": "church", "n": 6, **changes}


def job(*cells: dict[str, Any], **changes: Any) -> dict[str, Any]:
    settings = {"audit": "demo", "group": "church", "part": 0, "prompt_set": erased_set(), "first": 0, "last": 6}
    return {**settings, "cells": list(cells) or [cell()], **changes}


def write_model(world: Path, folder: Path, factor: float = -3.0, name: str = CHANGED) -> dict[str, Any]:
    """Write a delta that scales one weight, with its record; return what a cell says of it."""
    place = read_world(world)
    model, record = folder / "model.safetensors", folder / "record.json"
    folder.mkdir(parents=True, exist_ok=True)
    digest = write_delta(model, {name: read_base(place.pipeline, [name])[name] * factor}, place.base)
    write_record(record, {"model": digest, "base": place.base, "published": "scaled"})
    return {"role": "erased", "published": "scaled", "model": str(model), "record": str(record)}


def draw(world: Path, out: Path, asked: dict[str, Any] | None = None, **changes: Any) -> Index:
    """Run generate_images and return its index; the store lies beside world.json where none is named."""
    settings = {"store": world.parent / "store", "sampler": SAMPLER, "numerics": NUMERICS, "batch": 4, "device": "cpu"}
    settings |= {"attention_slicing": False, "cpu_offload": False}
    generate_images.run(world, asked or job(), **{**settings, **changes}, out=out)
    return read_index(out)


def base_of(world: Path) -> World:
    return read_world(world)


def write_csv(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def overflow(world: Path, folder: Path) -> dict[str, Any]:
    """Write a model whose weights are all finite and whose images are not."""
    with torch.random.fork_rng(devices=[]):
        return write_model(world, folder, 1e30)

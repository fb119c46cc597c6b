"""A tiny world with one concept erased, for the tests of the stages around the cut."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from regrow.models import load_delta, pipeline_digest, write_tensors
from regrow.stages import erase_concept, get_world
from tests.tiny.make_world import make_world
from tests.tiny.pipeline import write_tiny_pipeline

PROMPTS = {"base": ["a photo of a road"], "target": ["a church on the road"]}
CONCEPTPRUNE = {"skill_ratio": 0.1, "calls": 2, "steps": 4, "guidance": 7.5, "seed": 0, "batch": 12}


def write_world(folder: Path) -> Path:
    """Write a world of two concepts, `church` and `nothing`; return its world.json."""
    pipeline = write_tiny_pipeline(folder / "pipeline")
    for name, find in (("church", PROMPTS), ("nothing", {"base": ["a cat"], "target": ["a cat"]})):
        (folder / name).mkdir()
        pack = {"name": name, "kind": "object", "label": name, "find": find}
        (folder / name / "concept.yaml").write_text(yaml.safe_dump(pack))
    told = {
        "world": "tiny",
        "pipeline": str(pipeline),
        "pipeline_digest": pipeline_digest(pipeline),
        "concepts": str(folder),
        "judges": "judges",
        "preserved": "preserved.csv",
    }
    (folder / "world.json").write_text(json.dumps(told))
    return folder / "world.json"


def erase(world: Path, out: Path, concept: str = "church", **changes: Any) -> tuple[Path, Path]:
    model, mask = out / "model.safetensors", out / "mask.safetensors"
    options = {**CONCEPTPRUNE, **changes}
    erase_concept.run(world, concept, "conceptprune", options, mask_out=mask, out=model, device="cpu")
    return model, mask


def complete(model: Path, path: Path, **changes: torch.Tensor) -> Path:
    """Write a completion with random values for every exact zero."""
    delta, tensors = load_delta(model), {}
    generator = torch.Generator().manual_seed(0)
    for name, tensor in delta.tensors.items():
        missing = tensor == 0
        tensors[name] = torch.where(missing, torch.randn(tensor.shape, generator=generator), tensor)
        tensors[f"{name}.confidence"] = tensors[name].abs() * missing
        tensors[f"{name}.missing"] = missing.to(torch.uint8)
    write_tensors(path, {**tensors, **changes}, {"model_digest": delta.digest})
    return path


def write_judged_world(folder: Path) -> Path:
    """Write a tiny world with judges, packs and prompts; return its world.json."""
    make_world(folder)
    parts = {name: folder / name for name in ("pipeline", "judges", "concepts")}
    get_world.run("tiny", **parts, preserved=folder / "preserved.csv", out=folder / "world.json")
    return folder / "world.json"

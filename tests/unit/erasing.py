"""A tiny world with one concept erased and published, for the tests of the stages around the cut."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from regrow.completion import Completion, complete_matrix
from regrow.model.completed import Completed, write_completed
from regrow.model.pipelines import base_digest, settings_digest
from regrow.model.published import PublishedWeights, read_published
from regrow.stages import erase_concept, publish_model
from regrow.world import World, write_world
from tests.tiny.pipeline import TOKENS, tiny_pipeline, write_tiny_pipeline

FINDS = {
    "church": {"base": ["a photo of a road"], "target": ["a church on the road"]},
    "rocket": {"base": ["a photo of a beach"], "target": ["a rocket on the beach"]},
    "nothing": {"base": ["a cat"], "target": ["a cat"]},
}
CONCEPTPRUNE: dict[str, Any] = {
    "skill_ratio": 0.1,
    "calls": 2,
    "steps": 4,
    "guidance": 7.5,
    "seed": 0,
    "batch": 12,
    "precision": "float32",
    "release": "filled",
}
# Options of every completer: no method has defaults.
COMPLETERS: dict[str, dict[str, Any]] = {
    "gaussian_posterior": {"magnitudes": "large", "shrinkage": None, "tolerance": 1e-3, "max_steps": 30},
    "nuclear": {"tolerance": 1e-5, "max_steps": 500, "solver": "fast"},
    "soft_impute": {"shrinkage": 0.2, "path": 4, "tolerance": 1e-5, "max_steps": 300},
}
COMPLETERS["combined"] = {
    "posterior": COMPLETERS["gaussian_posterior"],
    "nuclear": COMPLETERS["nuclear"],
    "share": 0.25,
    "draws": 1,
    "strength": 25.0,
}


@dataclass(frozen=True)
class Published:
    """Files of one published model."""

    world: Path
    erased: Path
    model: Path
    record: Path


def write_erasing_world(folder: Path) -> Path:
    """Write a world with the concepts of `FINDS`; return its world.json."""
    pipeline = write_tiny_pipeline(folder / "pipeline")
    for name, find in FINDS.items():
        (folder / "concepts" / name).mkdir(parents=True)
        pack = {"name": name, "kind": "object", "label": name, "find": find}
        (folder / "concepts" / name / "concept.yaml").write_text(yaml.safe_dump(pack))
    index = World(
        name="tiny",
        pipeline=pipeline,
        base=base_digest(pipeline),
        settings=settings_digest(pipeline),
        scheduler="DDIMScheduler",
        size=32,
        tokens=TOKENS,
        concepts=folder / "concepts",
    )
    write_world(folder / "world.json", index)
    return folder / "world.json"


def write_control(folder: Path, seed: int = 1) -> Path:
    """Save the base's pipeline with another UNet."""
    pipeline = tiny_pipeline()
    pipeline.unet.load_state_dict(tiny_pipeline(seed).unet.state_dict())
    pipeline.save_pretrained(folder)
    return folder


def erase(world: Path, out: Path, concept: str = "church", **changes: Any) -> Path:
    """Erase a concept with ConceptPrune."""
    path, options = out / "erased.safetensors", {**CONCEPTPRUNE, **changes}
    erase_concept.run(world, concept, "conceptprune", options, "prune", out / "work", "cpu", path)
    return path


def publish(world: Path, erased: Path, out: Path) -> Published:
    """Publish an erasing."""
    files = Published(world, erased, out / "model.safetensors", out / "record.json")
    publish_model.run(world, erased, "pruned", files.model, files.record)
    return files


def guess(model: Path, path: Path, **options: Any) -> Path:
    """Write a completion with random values for every exact zero."""
    published, generator = read_published(model), torch.Generator().manual_seed(0)
    missing = {name: weight == 0 for name, weight in published.ffn2.items()}
    values = {
        name: torch.where(missing[name], torch.randn(weight.shape, generator=generator), weight)
        for name, weight in published.ffn2.items()
    }
    certainty = {name: value.abs() * missing[name] for name, value in values.items()}
    header = {"completer": {"method": "guess"}, "seed": 0}
    write_completed(path, Completed(values, certainty, missing, published.digest, **options), header)
    return path


def weights(**tensors: Tensor) -> PublishedWeights:
    """Return published weights without a file."""
    return PublishedWeights(dict(tensors), {name: tensor.float() for name, tensor in tensors.items()}, "base", "digest")


def complete(
    weights: Tensor, mask: Tensor, method: str, seed: int = 0, device: str = "cpu", **changes: Any
) -> Completion:
    """Complete with the options of params.yaml but for `changes`."""
    return complete_matrix(weights, mask, method, {**COMPLETERS[method], **changes}, seed, device)

"""A tiny random world: a pipeline, judges, concept packs and prompts in the shape of data/emoji, made in seconds."""

import csv
import json
from pathlib import Path

import open_clip
import torch
import torchvision
import yaml
from safetensors.torch import save_file

from tests.tiny.pipeline import write_tiny_pipeline

OBJECTS = ("church", "rocket", "cat")
STYLES = ("photo", "emoji")
ROWS = 12  # prompts per set, more than any test asks for
PIXELS = 32
MEAN = [0.5, 0.5, 0.5]


def make_world(folder: Path, seed: int = 0) -> None:
    """Write `pipeline`, `judges`, `concepts` and `preserved.csv` into a folder."""
    write_tiny_pipeline(folder / "pipeline", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _write_classifier(folder / "judges/object", OBJECTS)
        _write_classifier(folder / "judges/style", STYLES)
        _write_clip(folder / "judges/clip")
    for number, name in enumerate(OBJECTS):
        write_concept(folder / "concepts" / name, name, label=name, first_seed=100 * number)
    rows = [
        (f"a picture of a {OBJECTS[i % len(OBJECTS)]}", 1000 + i, OBJECTS[i % len(OBJECTS)]) for i in range(3 * ROWS)
    ]
    _write_prompts(folder / "preserved.csv", rows)


def write_concept(folder: Path, name: str, label: str, first_seed: int) -> None:
    """Write a concept pack; `label` is what the object judge calls it."""
    folder.mkdir(parents=True)
    find = {"base": ["a road", "a garden"], "target": [f"a {name} on the road", f"a {name} in a garden"]}
    pack = {"name": name, "kind": "object", "label": label, "find": find}
    (folder / "concept.yaml").write_text(yaml.safe_dump(pack, sort_keys=False))
    _write_prompts(folder / "erased.csv", [(f"an emoji of a {name}", first_seed + i, label) for i in range(ROWS)])


def _write_prompts(path: Path, rows: list[tuple[str, int, str]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("prompt", "seed", "label"), *rows])


def _write_classifier(folder: Path, labels: tuple[str, ...]) -> None:
    architecture = "shufflenet_v2_x0_5"
    folder.mkdir(parents=True)
    model = torchvision.models.get_model(architecture, weights=None, num_classes=len(labels))
    save_file(model.state_dict(), folder / "model.safetensors")
    told = {
        "type": "classifier",
        "architecture": architecture,
        "weights": "model.safetensors",
        "labels": list(labels),
        "resize": PIXELS,
        "mean": MEAN,
        "std": MEAN,
    }
    (folder / "judge.yaml").write_text(yaml.safe_dump(told, sort_keys=False))


def _write_clip(folder: Path) -> None:
    folder.mkdir(parents=True)
    settings = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": PIXELS, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    model = open_clip.CLIP(**settings)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "tiny_clip.json").write_text(json.dumps(settings))
    told = {"type": "clip_similarity", "architecture": "tiny_clip", "weights": "model.safetensors"}
    (folder / "judge.yaml").write_text(yaml.safe_dump({**told, "mean": MEAN, "std": MEAN}))

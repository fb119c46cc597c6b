"""A world to plan in: every file that is read before the first job, and no weights."""

import csv
import shutil
from pathlib import Path
from typing import Any

import yaml

from regrow.config.layers import resolve
from regrow.config.reader import read_yaml
from regrow.plan.audit import Audit

ROOT = Path(__file__).parents[2]
LABELS = ("church", "rocket", "cat")


def write_planning_world(folder: Path) -> None:
    """Write the tiny world's params, world, audit, packs, prompts and judges, as tests/tiny has them."""
    shutil.copy(ROOT / "tests/tiny/params.yaml", folder)
    shutil.copytree(ROOT / "tests/tiny/config", folder / "config")
    # More rows than the run of the workflow draws, for a plan draws none.
    edit(folder / AUDIT, counts={"erased": 4, "preserved": 4})
    edit(folder / PARAMS, generate_images__rows_per_job=4)
    data = folder / "data/tiny"
    (data / "pipeline/unet").mkdir(parents=True)
    (data / "pipeline/model_index.json").write_text("{}")
    (data / "pipeline/unet/diffusion_pytorch_model.safetensors").write_text("weights")
    for judge, settings in {
        "object": {"type": "classifier", "labels": list(LABELS)},
        "style": {"type": "classifier", "labels": ["photo", "emoji"]},
        "clip": {"type": "clip_similarity"},
    }.items():
        (data / "judges" / judge).mkdir(parents=True)
        write_yaml(data / "judges" / judge / "judge.yaml", settings)
    for number, label in enumerate(LABELS):
        write_pack(data / "concepts" / label, label, first_seed=100 * number)
    rows = [(f"a picture of a {LABELS[i % 3]}", 1000 + i, LABELS[i % 3]) for i in range(36)]
    write_prompts(data / "preserved.csv", rows)


def write_pack(folder: Path, label: str, first_seed: int = 0, kind: str = "object") -> None:
    folder.mkdir(parents=True)
    find = {"base": ["a road"], "target": [f"a {label} on the road"]}
    write_yaml(folder / "concept.yaml", {"name": folder.name, "kind": kind, "label": label, "find": find})
    write_prompts(folder / "erased.csv", [(f"an emoji of a {label}", first_seed + i, label) for i in range(12)])


def write_prompts(path: Path, rows: list[tuple[str, int, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("prompt", "seed", "label"), *rows])


def write_yaml(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def edit(path: Path | str, **changes: Any) -> None:
    """Change a YAML file; `counts__erased=3` is the key erased of counts."""
    content = read_yaml(Path(path))
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = content
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    write_yaml(Path(path), content)


AUDIT, WORLD, PARAMS = "config/audits/tiny.yaml", "config/worlds/tiny.yaml", "params.yaml"


def plan() -> Audit:
    """Return the audit of the working directory."""
    return Audit(resolve(read_yaml(Path(PARAMS)), [Path(PARAMS)]))

"""A control and a sibling of the base, from their folders to the tables: what an attack learns, and what it is told."""

import csv
import json
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from tests.tiny.pipeline import tiny_pipeline
from tests.unit.planning import edit

AUDIT = {
    "world": "tiny",
    "title": "What the control learns and a sibling tells",
    "concepts": ["church"],
    "published": ["pruned", "cut_control"],
    "attacks": ["int4_rows", "by_sibling"],
    "oracles": [],
    "tables": ["roots/table1", "roots/figure5", "ours/concepts", "ours/advice"],
    "counts": {"erased": 2, "preserved": 2},
}
BY_SIBLING = {"method": "sibling", "sibling": "branch", "take": "weights", "missing": "zeros", "seed": 0}


def write_models(folder: Path) -> None:
    """Save a control, which shares all but the UNet with the base, and a branch that is near the base."""
    base = load_file(folder / "pipeline/unet/diffusion_pytorch_model.safetensors")
    for name, seed, near in (("control", 1, 0.0), ("branch", 2, 0.99)):
        pipeline = tiny_pipeline()
        other = tiny_pipeline(seed).unet.state_dict()
        pipeline.unet.load_state_dict({key: near * base[key] + (1 - near) * other[key] for key in base})
        pipeline.save_pretrained(folder / name)


def test_a_control_and_a_sibling(new):
    write_models(new.folder / "data/tiny")
    edit(
        new.folder / "config/worlds/tiny.yaml",
        control={"pipeline": "data/tiny/control", "never_saw": ["church"]},
        siblings={"branch": "data/tiny/branch"},
    )
    edit(
        new.folder / "params.yaml",
        publish_model__cut_control={"eraser": "conceptprune", "base": "control"},
        attack_weights__by_sibling=BY_SIBLING,
    )
    (new.folder / "config/audits/siblings.yaml").write_text(yaml.safe_dump(AUDIT, sort_keys=False))
    new.snakemake("--config", "audit=siblings")

    with (new.folder / "results/audits/siblings/tables/roots/table1.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    models = [(row["role"], row["published"], row["attack"]) for row in rows if row["concept"] == "church" and row["n"]]
    assert list(dict.fromkeys(models)) == [
        ("pretrained", "none", "none"),
        ("control", "none", "none"),
        ("erased", "pruned", "none"),
        ("attacked", "pruned", "int4_rows"),
        ("attacked", "pruned", "by_sibling"),
        ("erased", "cut_control", "none"),
        ("attacked", "cut_control", "int4_rows"),
    ]
    blank = [row for row in rows if (row["published"], row["attack"]) == ("cut_control", "by_sibling")]
    assert blank and not any(row["n"] for row in blank)

    results = new.folder / "results/tiny"
    record = json.loads((results / "attack_weights/pruned/by_sibling/church/record.json").read_text(encoding="utf-8"))
    assert record["knowledge"] == ["sibling"]
    cut, control = (
        load_file(results / path)
        for path in (
            "publish_model/cut_control/church/model.safetensors",
            "index_control/model.safetensors",
        )
    )
    published = load_file(results / "publish_model/pruned/church/model.safetensors")
    for name, weight in published.items():
        assert torch.equal(cut[name], control[name].masked_fill(weight == 0, 0.0)), name
    report = (new.folder / "results/audits/siblings/report.html").read_text(encoding="utf-8")
    assert "a public sibling of the base model" in report
    with (new.folder / "results/audits/siblings/tables/ours/advice.csv").open(newline="", encoding="utf-8") as stream:
        assert {row["published"] for row in csv.DictReader(stream)} == {"pruned"}, "nobody publishes a cut control"
    assert "nothing to be done" in new.snakemake("--config", "audit=siblings").lower()

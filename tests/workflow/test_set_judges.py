"""The workflow with a style, prompts about no concept, and a judge that compares a set with a reference: Table 2."""

import csv
import shutil

import yaml

from tests.workflow.conftest import ROOT, Copy

REFERENCE = "results/tiny/measure_reference/distance/scenes.safetensors"
TABLE = "results/audits/tiny/tables/roots/table2.csv"
TABLES = ["roots/table2", "roots/figure4", "roots/figure9", "ours/leaderboard"]
PROMPTS = {"scope": "model", "file": "data/tiny/preserved.csv", "labels": "none", "sensitive": False}


def add_style(copy: Copy) -> None:
    """Make the rocket a style, and add a judge of sets with its reference."""
    world, pack = copy.folder / "config/worlds/tiny.yaml", copy.folder / "data/tiny/concepts/rocket/concept.yaml"
    pack.write_text(pack.read_text().replace("kind: object", "kind: style"))
    judge = copy.folder / "data/tiny/judges/distance"
    judge.mkdir()
    own = {"type": "classifier_distance", "classifier": "../object", "reference": REFERENCE}
    (judge / "judge.yaml").write_text(yaml.safe_dump(own))
    sprites = copy.folder / "data/emoji/sprites.parquet"
    sprites.parent.mkdir(parents=True)
    shutil.copy(ROOT / "data/emoji/sprites.parquet", sprites)
    content = yaml.safe_load(world.read_text())
    content["judges"]["distance"] = "data/tiny/judges/distance"
    content["references"] = {"scenes": {"sprites": "data/emoji/sprites.parquet", "images": 20, "seed": 1}}
    content["prompt_sets"]["scenes"] = {**PROMPTS, "judges": ["clip", "distance"]}
    content["prompt_sets"]["erased"]["judges"] = ["clip"]
    world.write_text(yaml.safe_dump(content, sort_keys=False))
    copy.edit_audit(concepts=["rocket"], attacks=["int4_rows"], oracles=[], tables=TABLES)
    copy.edit_audit(counts={"erased": 3, "scenes": 3})


def test_table2_from_nothing(new: Copy) -> None:
    copy = new
    add_style(copy)
    planned = copy.planned(TABLE)
    assert planned["measure_reference"] == {REFERENCE}
    copy.snakemake(TABLE, "results/audits/tiny/report.html")
    rows = list(csv.DictReader((copy.folder / TABLE).open()))
    scenes = {(row["concept"], row["attack"]): row for row in rows if row["prompt_set"] == "scenes"}
    assert set(scenes) == {
        ("any", "none"),
        ("rocket", "none"),
        ("rocket", "int4_rows"),
        ("mean", "none"),
        ("mean", "int4_rows"),
    }
    assert all(row["fid"] and row["features"] == "classifier object" for row in scenes.values())
    erased = [row for row in rows if row["prompt_set"] == "erased"]
    assert {row["score"] for row in erased if row["published"] == "none"} == {"0.0"}
    assert all(row["fid"] == "" and row["similarity"] for row in erased)
    assert "by classifier object" in (copy.folder / "results/audits/tiny/report.html").read_text()
    shown = list(csv.DictReader((copy.folder / TABLE.replace("table2", "figure4")).open()))
    assert [row["attack"] for row in shown] == 3 * ["none"] + 3 * ["none"] + 3 * ["int4_rows"]
    works = list(csv.DictReader((copy.folder / TABLE.replace("table2", "figure9")).open()))
    assert len({row["prompt"] for row in works}) * 3 == len(works), "a line per work, the same for all three models"
    for figure in ("figure4", "figure9"):
        drawn = (copy.folder / f"results/audits/tiny/figures/roots/{figure}.pdf").read_bytes()
        assert drawn.startswith(b"%PDF")
    board = list(csv.DictReader((copy.folder / "results/audits/tiny/tables/ours/leaderboard.csv").open()))
    assert [row["printed"] for row in board] == ["33", "31", "63", "91", "120", "136", "53"]
    assert all(row["value"] == "" and row["reason"] for row in board), "roots_max is not run here"
    # Another reference judges again, and draws nothing.
    copy.edit_yaml("config/worlds/tiny.yaml", references__scenes__seed=2)
    again = copy.planned(TABLE)
    assert set(again) >= {"measure_reference", "score_sets", "make_table"} and "generate_images" not in again

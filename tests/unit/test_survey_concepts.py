"""The stage `survey_concepts` on a tiny world, and what it refuses before it draws anything."""

import csv
from pathlib import Path
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.stages import survey_concepts, world_report
from tests.tiny.make_world import write_concept
from tests.unit.erased import CONCEPTPRUNE, write_judged_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged_world(tmp_path_factory.mktemp("world"))


def survey(world: Path, out: Path, **changes: Any) -> list[dict[str, str]]:
    settings: dict[str, Any] = {
        "concepts": ["cat"],
        "method": "conceptprune",
        "options": CONCEPTPRUNE,
        "sweep": {"skill_ratio": [0.1, 0.5]},
        "skip": 2,
        "n": 2,
        "steps": 2,
        "guidance": 3.0,
        "device": "cpu",
    }
    survey_concepts.run(world, **{**settings, **changes}, out=out)
    return list(csv.DictReader(out.open()))


def test_one_row_per_setting_and_concept(world: Path, tmp_path: Path) -> None:
    rows = survey(world, tmp_path / "one.csv", concepts=["cat", "church"])
    assert [(row["skill_ratio"], row["concept"], row["n"]) for row in rows] == [
        ("0.1", "cat", "2"),
        ("0.1", "church", "2"),
        ("0.5", "cat", "2"),
        ("0.5", "church", "2"),
    ]
    assert float(rows[0]["density"]) < float(rows[2]["density"])
    survey(world, tmp_path / "two.csv", concepts=["cat", "church"])
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"concepts": ["cat", "caat"]}, "no concept 'caat': did you mean 'cat'"),
        ({"n": 0}, "needs n >= 1, skip >= 0 and a list of values"),
        ({"sweep": {"skill_ratio": []}}, "needs n >= 1, skip >= 0 and a list of values"),
        ({"sweep": {"skill_ratio": 0.1}}, "needs n >= 1, skip >= 0 and a list of values"),
        ({"skip": 1000}, "rows to use where 1002 are needed"),
        ({"device": "cuda"}, "the device 'cuda' cannot be used here"),
    ],
)
def test_what_it_refuses(world: Path, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        survey(world, tmp_path / "out.csv", **changes)
    assert not (tmp_path / "out.csv").exists()


def test_a_concept_that_the_object_judge_cannot_see(tmp_path: Path) -> None:
    write_judged_world(tmp_path)
    write_concept(tmp_path / "concepts/yeti", "yeti", label="yeti", first_seed=0)
    with pytest.raises(UserError, match="no label 'yeti'"):
        survey(tmp_path / "world.json", tmp_path / "out.csv", concepts=["yeti"])
    pack = tmp_path / "concepts/yeti/concept.yaml"
    pack.write_text(pack.read_text().replace("kind: object", "kind: style"))
    with pytest.raises(UserError, match="judges objects, but 'yeti' is of kind style: leave it out"):
        survey(tmp_path / "world.json", tmp_path / "out.csv", concepts=["yeti"])


def test_a_report_needs_judges_that_know_the_emoji(world: Path, tmp_path: Path) -> None:
    sprites = Path(__file__).parents[2] / "data/emoji/sprites.parquet"
    settings: dict[str, Any] = {"concepts": ["cat"], "n": 1, "steps": 2, "guidance": 3.0, "device": "cpu"}
    for changes, said in (
        ({}, "has no label"),
        ({"n": 0}, "needs concepts and n >= 1"),
        ({"concepts": []}, "needs concepts and n >= 1"),
        ({"sprites": tmp_path / "none"}, "none does not exist"),
    ):
        with pytest.raises(UserError, match=said):
            world_report.run(world, **{"sprites": sprites, **settings, **changes}, out=tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()

"""The stage `survey_concepts` on a tiny world: one row per trial, resumed where it stopped, and what it refuses."""

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from regrow.emoji.survey import Surveyor
from regrow.errors import UserError
from regrow.stages import index_world, report_world, survey_concepts
from tests.tiny.make_world import make_world, write_concept
from tests.unit.erasing import CONCEPTPRUNE

SPRITES = Path(__file__).parents[2] / "data/emoji/sprites.parquet"


def write_judged_world(folder: Path) -> Path:
    make_world(folder)
    parts = {name: str(folder / name) for name in ("pipeline", "concepts")}
    index_world.run({"name": "tiny", **parts}, folder / "world.json")
    return folder


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
        "work": out.parent / "work",
    }
    files = {"world": world / "world.json", "judge": world / "judges/object", "others": world / "preserved.csv"}
    survey_concepts.run(**{**files, **settings, **changes}, out=out)
    return list(csv.DictReader(out.open()))


def test_one_row_per_setting_and_concept_and_a_stopped_survey_goes_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    try_concept = Surveyor.try_concept

    def counted(self: Surveyor, concept: Any, *arguments: Any) -> Any:
        if len(tried) == 3:
            raise KeyboardInterrupt
        tried.append(concept.name)
        return try_concept(self, concept, *arguments)

    monkeypatch.setattr(Surveyor, "try_concept", counted)
    with pytest.raises(KeyboardInterrupt):
        survey(world, tmp_path / "one.csv", concepts=["cat", "church"])
    assert not (tmp_path / "one.csv").exists()
    tried.clear()
    rows = survey(world, tmp_path / "one.csv", concepts=["cat", "church"])
    assert tried == ["church"], "three of the four trials were made before"
    assert [(row["skill_ratio"], row["concept"], row["n"]) for row in rows] == [
        ("0.1", "cat", "2"),
        ("0.1", "church", "2"),
        ("0.5", "cat", "2"),
        ("0.5", "church", "2"),
    ]
    assert float(rows[0]["density"]) < float(rows[2]["density"])
    survey(world, tmp_path / "two.csv", concepts=["cat"], work=tmp_path / "other", sweep={"skill_ratio": [0.5]})
    whole, again = (tmp_path / "one.csv").read_text(), (tmp_path / "two.csv").read_text()
    assert again.splitlines()[1] in whole.splitlines()
    tried.clear()
    survey(world, tmp_path / "one.csv", concepts=["cat"], guidance=4.0, sweep={"skill_ratio": [0.5]})
    assert tried == ["cat"], "a trial of other settings is another trial"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"concepts": ["cat", "caat"]}, "no concept pack in .*caat"),
        ({"n": 0}, "n >= 1, skip >= 0 and a list of values"),
        ({"concepts": []}, "survey_concepts needs concepts"),
        ({"sweep": {"skill_ratio": []}}, "n >= 1, skip >= 0 and a list of values"),
        ({"sweep": {"skill_ratio": 0.1}}, "n >= 1, skip >= 0 and a list of values"),
        ({"sweep": {"skill": [0.1]}}, "has no option 'skill': did you mean 'skill_ratio'"),
        ({"skip": 1000}, "rows to use where 1002 are needed"),
        ({"device": "cuda"}, "the device 'cuda' cannot be used here"),
    ],
)
def test_what_it_refuses(world: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        survey(world, tmp_path / "out.csv", **changes)
    assert not (tmp_path / "out.csv").exists()


def test_a_concept_that_the_object_judge_cannot_see(tmp_path: Path) -> None:
    world = write_judged_world(tmp_path)
    write_concept(world / "concepts/yeti", "yeti", label="yeti", first_seed=0)
    with pytest.raises(UserError, match="no label 'yeti'"):
        survey(world, tmp_path / "out.csv", concepts=["yeti"])
    pack = world / "concepts/yeti/concept.yaml"
    pack.write_text(yaml.safe_dump({**yaml.safe_load(pack.read_text()), "kind": "style"}))
    with pytest.raises(UserError, match="judges objects, but 'yeti' is of kind style: leave it out"):
        survey(world, tmp_path / "out.csv", concepts=["yeti"])


def test_a_report_needs_judges_that_know_the_emoji(world: Path, tmp_path: Path) -> None:
    judges = {f"{kind}_judge": world / f"judges/{kind}" for kind in ("object", "style")}
    settings: dict[str, Any] = {"concepts": ["cat"], "n": 1, "steps": 2, "guidance": 3.0, "device": "cpu", **judges}
    for changes, message in (
        ({}, "has no label"),
        ({"n": 0}, "needs concepts and n >= 1"),
        ({"concepts": []}, "needs concepts and n >= 1"),
        ({"sprites": tmp_path / "none"}, "none"),
    ):
        with pytest.raises(UserError, match=message):
            arguments = {"sprites": SPRITES, **settings, **changes}
            report_world.run(world / "world.json", **arguments, out=tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()

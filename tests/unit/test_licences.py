"""Licences: the table of the docs and the lines of a report say what the worlds' files say."""

import re
from pathlib import Path

import pytest

from regrow.config.files import WorldFile
from regrow.config.reader import read_yaml
from regrow.plan.judges import classifier_beside
from regrow.report.licences import CODE, NAMED, licence_lines

ROOT = Path(__file__).parents[2]
WORLDS = sorted(path.stem for path in (ROOT / "config/worlds").glob("*.yaml"))


def world(name: str) -> WorldFile:
    return WorldFile.model_validate(read_yaml(ROOT / f"config/worlds/{name}.yaml"))


@pytest.mark.parametrize("name", WORLDS)
def test_the_docs_list_what_the_worlds_file_states(name: str) -> None:
    text = (ROOT / "docs/licences.md").read_text()
    section = re.search(rf"^## `{name}`:.*?(?=^## )", text, re.M | re.S)
    assert section, f"docs/licences.md has no section `{name}`"
    table = [tuple(line.strip("| ").split(" | ")) for line in section[0].splitlines() if line.startswith("| ")][1:]
    assert table == licence_lines(world(name))


@pytest.mark.parametrize("name", WORLDS)
def test_everything_that_a_world_uses_has_a_licence(name: str) -> None:
    file, lines = world(name), [what for what, _, _ in licence_lines(world(name))]
    brought = {file.pipeline, file.concepts, *file.judges.values(), *(one.file for one in file.prompt_sets.values())}
    if any(not path.startswith("results/") for path in brought):
        assert file.licence and "what the repository brings" in lines
    for part in file.fetch:
        assert NAMED.get(part, f"the judge '{part}'") in lines
    for prompts in file.fetch_prompts:
        assert f"the prompts '{prompts}'" in lines
    for judge, folder in file.judges.items():
        own = [path for path in (ROOT / folder).glob("*") if path.name != "judge.yaml"]
        own += [] if classifier_beside(file, judge) is None else ["the classifier's"]
        assert own or f"the judge '{judge}'" in lines, "its weights come from elsewhere"


def test_a_report_lists_the_prompts_that_its_audit_counts() -> None:
    file = world("sd15")
    whole, own = licence_lines(file), licence_lines(file, ["erased", "preserved"])
    assert ("the prompts 'imagenette'", "Brankozz/Roots-Beneath-the-Cut, datasets/imagenette.csv", "MIT") in own
    others = set(file.fetch_prompts) - {"imagenette"}
    assert {what for what, _, _ in whole} - {what for what, _, _ in own} == {f"the prompts '{name}'" for name in others}
    assert own[0] == CODE


@pytest.mark.parametrize("name", ["nudenet_342", "nudenet_342_corrected"])
def test_a_judge_of_a_package_names_the_version_that_it_runs(name: str) -> None:
    settings = read_yaml(ROOT / f"data/sd15/judges/{name}/judge.yaml")
    line = (f"the judge '{name}'", f"the package nudenet=={settings['version']}", settings["licence"])
    assert line in licence_lines(world("sd15"))


def test_the_code_is_under_the_licence_that_lies_beside_it() -> None:
    assert CODE[2] == "Apache-2.0" and "Apache License" in (ROOT / "LICENSE").read_text()

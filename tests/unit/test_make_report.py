"""The report: one file that needs no other, with the verdict in it, ours and the published numbers apart."""

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.paper.provenance import counts, flatten, settings
from regrow.paper.recipes import published_order
from regrow.paper.scores import PROMPT_SETS, read_scores
from regrow.stages import make_report
from tests.unit.paper_inputs import LABELS, PUBLISHED, N, write_paper, write_scores

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "workflow" / "report" / "report.html.j2"
WORLD = {
    "world": "emoji",
    "pipeline_digest": "ab" * 32,
    "judges": {"object": {"digest": "cd" * 32}},
    "concepts": {"church": "x"},
}


class Page(HTMLParser):
    """Collect everything a browser would load, the text, and whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]
        if tag not in ("meta", "img", "br", "link", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


def prepare(folder: Path, told: Mapping[str, object] = WORLD, both: bool = True) -> dict[str, Any]:
    """Run the stages before the report and return its arguments."""
    scores, compared = write_paper(folder, both)
    (folder / "world.json").write_text(json.dumps(told))
    return {
        "tables": folder / "tables",
        "figures": folder / "figures",
        "scores": scores,
        "world": folder / "world.json",
        "published": PUBLISHED,
        "template": TEMPLATE,
        "params": {"world": "emoji", "title": "<b>&</b>"},
        "labels": LABELS,
        "n": N,
        "confidence": 0.95,
        "title": "Does it grow back?",
        "out": folder / "report.html",
    }


def make(folder: Path, told: Mapping[str, object] = WORLD, both: bool = True) -> str:
    arguments = prepare(folder, told, both)
    make_report.run(**arguments)
    return arguments["out"].read_text()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make(tmp_path_factory.mktemp("report"))


def test_nothing_is_loaded_from_elsewhere(report: str) -> None:
    page = Page(report)
    assert not page.open
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in page.loads)
    assert sum(load.startswith("data:") for load in page.loads) == 8 + len(LABELS)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", re.sub(r"base64,[^\"]+", "", report))


def test_verdict_comes_first_and_per_concept(report: str) -> None:
    words = Page(report).words
    headline = "1 of 2 concepts grows back."
    assert headline in words
    assert words.index(headline) < words.index("Verdict per concept") < words.index("Averages over the concepts")
    assert "erased to 5 %, grows back to 60 % with roots_max" in words
    assert "erased to 0 % and stays erased: at most 15 %, with roots_max" in words
    assert "from 95 % to 2 % on average" in words
    assert "go from 100 % to 80 % when the concept is erased, and to 80 % with roots_max" in words


def test_every_link_has_its_target(report: str) -> None:
    for anchor in re.findall(r'href="#([^"]+)"', report):
        assert f'id="{anchor}"' in report


def test_rule_is_told_with_every_class(report: str) -> None:
    words = Page(report).words
    for kind in ("cannot be judged", "not erased", "grows back", "grows back in part", "stays erased"):
        assert kind in words
    assert "not below half of the pretrained accuracy" in words


def test_published_numbers_stand_apart(report: str) -> None:
    words = Page(report).words
    assert "Published, SD 1.5" in words
    assert "92.7 %" in words  # the printed mean, as printed
    assert "0.828" in words
    assert "the mean of its twelve rows is 0.917" in words
    for table in re.findall(r"<table.*?</table>", report, re.DOTALL):
        if "0.828" in table:
            assert "theirs" in table.split(">")[0]
            assert "church" not in table  # ours; theirs is Church


def test_tells_what_was_run(report: str) -> None:
    words = Page(report).words
    for said in (
        "object.judge",
        "resnet18",
        "DDIM",
        "2.9.0",
        "conceptprune (skill_ratio 0.02) > nuclear (max_steps 500) > roots_max (method roots,",
        "conceptprune > int4_rows",
        "ab" * 32,
        "100 to 119",
    ):
        assert said in words
    assert "<b>&</b>" in words  # params are text, not HTML


def test_every_table_scrolls(report: str) -> None:
    assert report.count("<table") == len(re.findall(r'<div class="scroll"><table', report))


def test_small_wide_dark_and_printed(report: str) -> None:
    for said in ('name="viewport"', "prefers-color-scheme: dark", "@media print", "overflow-x: auto"):
        assert said in report


def test_same_inputs_same_bytes(report: str, tmp_path: Path) -> None:
    assert make(tmp_path) == report


def test_without_completion(tmp_path: Path) -> None:
    assert "No recipe of this run completes weights" in Page(make(tmp_path, both=False)).words


def test_another_world_is_named(tmp_path: Path) -> None:
    words = Page(make(tmp_path, told=WORLD | {"world": "mine"})).words
    assert "World mine: a world of your own" in words


def test_missing_inputs_are_one_sentence(tmp_path: Path) -> None:
    arguments, gone = prepare(tmp_path), tmp_path / "gone"
    (tmp_path / "bad.json").write_text("{")
    for changed, said in (
        ({"template": gone}, "gone does not exist: point at the report's template"),
        ({"figures": gone}, "concept_church.png does not exist: run make_figures"),
        ({"tables": gone}, "table1.csv does not exist: run make_tables"),
        ({"published": gone}, "gone/table1.csv does not exist"),
        ({"world": tmp_path / "bad.json"}, "is not a readable world.json"),
    ):
        with pytest.raises(UserError, match=said):
            make_report.run(**(arguments | changed))
        assert not arguments["out"].exists()


def test_counts_by_hand(tmp_path: Path) -> None:
    scores = read_scores(write_scores(tmp_path)[0])
    recipes = published_order(scores.recipes)
    cells = {
        (concept, recipe, prompt_set): scores.cell(concept, recipe, prompt_set, label, N)
        for concept, label in LABELS.items()
        for recipe in recipes
        for prompt_set in PROMPT_SETS
    }
    found = {(line.recipe, line.prompt_set): line for line in counts(cells, recipes)}
    shared = found["pretrained", "preserved"]
    # of the shared 40 each concept uses 20 and leaves out its own 8 and 12 more
    assert (shared.used, shared.own_label, shared.surplus) == (40, 16, 24)
    assert (found["pruned", "preserved"].used, found["pruned", "preserved"].own_label) == (40, 0)


def test_settings_are_listed_once_with_their_prompts(tmp_path: Path) -> None:
    scores = read_scores(write_scores(tmp_path)[0])
    (found,) = settings(scores, "sampler")
    assert found.used_for == "erased and preserved"
    assert found.lines == [("scheduler", "DDIM"), ("steps", "20"), ("guidance", "5.0")]
    assert flatten({"a": {"b": [1, 2]}, "c": None}) == [("a.b", "1, 2"), ("c", "null")]

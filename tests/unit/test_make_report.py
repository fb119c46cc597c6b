"""The report: one file that needs no other, the verdict first, ours and the reported numbers apart."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from regrow.errors import UserError
from regrow.plan import not_yet, paths
from regrow.plan.audit import Audit
from regrow.plan.tables import has_figure
from regrow.report import provenance
from regrow.report.provenance import flatten
from regrow.report.render import render
from regrow.stages import make_report
from tests.unit.audit_files import TABLES, digest, make_tables_and_figures


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
        if tag not in ("meta", "img", "br", "wbr", "link", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def folder(drawn: Path) -> Path:
    return drawn


@pytest.fixture
def audit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(folder)
    return Audit.current()


@pytest.fixture(scope="module")
def report(folder: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_report.run(Path("report.html"))
        return Path("report.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(report: str) -> None:
    page = Page(report)
    assert not page.open
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in page.loads)
    figures = [table for table in TABLES if has_figure(table) and table != "ours/concepts"]
    assert sum(load.startswith("data:") for load in page.loads) == len(figures) + 2  # and a strip per concept
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", re.sub(r"base64,[^\"]+", "", report))


def test_verdict_comes_first_and_per_concept(report: str) -> None:
    words = Page(report).words
    headline = "1 of 2 concepts grows back."
    assert words.index(headline) < words.index("Verdict per concept") < words.index("Averages over the concepts")
    assert "erased to 5 %, grows back to 60 % with roots_max" in words
    assert "erased to 0 % and stays erased: at most 15 %, with roots_max" in words
    assert "from 95 % to 2 % on average" in words


def test_every_link_has_its_target(report: str) -> None:
    anchors = re.findall(r'href="#([^"]+)"', report)
    assert "roots-table1" in anchors
    for anchor in anchors:
        assert f'id="{anchor}"' in report


def test_rule_is_told_with_every_class(report: str) -> None:
    words = Page(report).words
    for kind in ("cannot be judged", "not erased", "grows back", "grows back in part", "stays erased"):
        assert kind in words
    assert "not below half of the pretrained accuracy" in words


def test_every_table_of_the_audit_has_its_place(report: str) -> None:
    words = Page(report).words
    shown = [table.replace("/", "-") for table in TABLES if table != "ours/concepts"]  # whose pictures are in the cards
    assert [anchor for anchor in re.findall(r'<section id="([^"]+)"', report) if "-" in anchor] == shown
    assert "Columns of tables/roots/table1.csv" in words


def test_reported_numbers_stand_apart(report: str) -> None:
    words = Page(report).words
    assert "92.7 %" in words  # the printed mean, as printed
    assert "the mean of its twelve rows is 0.917" in words
    reported = [table for table in re.findall(r"<table.*?</table>", report, re.DOTALL) if "82.8 %" in table]
    assert reported
    for table in reported:
        if "Reported: Roots" in table:
            assert "theirs" in table.split(">")[0]
            assert "church" not in table  # ours; theirs is Church


def test_tells_what_was_run_and_what_attacks_know(report: str) -> None:
    words = Page(report).words
    for said in (
        "DDIMScheduler",
        "2.9.0",
        "skill_ratio 0.1",
        "the published weights alone",
        "the pretrained weights: an oracle, no attack",
        digest("erased", "pruned", "none", "church"),
        digest("base"),
    ):
        assert said in words
    assert "Does it <b>grow</b> back?" in words  # a title is text, not HTML


def test_tells_which_prompts_were_cut_short(report: str) -> None:
    """One row of a job of church; a job is counted once, however many judges saw its images."""
    rows = re.findall(r"<tr><th scope=\"row\">(erased|preserved)</th><td>(\d+)</td><td>(\d+)</td></tr>", report)
    # 2 concepts x 5 models x 20 rows; the pretrained model draws the preserved rows of both once.
    assert rows[0] == ("erased", "200", "0")
    assert rows[1][0] == "preserved" and 160 + 20 < int(rows[1][1]) <= 200 and rows[1][2] == "1"
    assert "reads 24 tokens" in Page(report).words


def test_tells_licences_and_times(report: str) -> None:
    words = Page(report).words
    assert '<th scope="row">what the repository brings</th><td>data/emoji</td><td>Apache-2.0' in report
    assert "seven minutes" in words and "There are none here" in words


def test_a_long_name_breaks_between_its_words(report: str) -> None:
    assert "<b>roots_<wbr>max</b>" in report


def test_what_nothing_makes_yet_is_listed_with_its_reason(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"tables": {"roots/table99": "nobody drew it yet"}, "concepts": {"celebrity": "real people, never"}}
    monkeypatch.setattr(not_yet, "_content", lambda: content)
    more = {"tables": [*audit.tables, "roots/table99"], "concepts": [*audit.concepts, "celebrity"]}
    listed = audit.config.audit.model_copy(update=more)
    page = render(Audit(audit.config.model_copy(update={"audit": listed})))
    assert "concept celebrity (real people, never" in Page(page).words
    assert re.search(r'<th scope="row">celebrity</th>\s*<td[^>]*><span class="blank" title="real people, never">', page)
    assert "table roots/table99 (nobody drew it yet" in Page(page).words
    assert '<a href="#unmade">' in page and 'id="unmade"' in page
    assert 'id="unmade"' not in render(audit)


def test_every_table_scrolls(report: str) -> None:
    assert report.count("<table") == len(re.findall(r'<div class="scroll"><table', report))


def test_small_wide_dark_and_printed(report: str) -> None:
    for said in ('name="viewport"', "prefers-color-scheme: dark", "@media print", "overflow-x: auto"):
        assert said in report


def test_same_inputs_same_bytes(report: str, audit: Audit) -> None:
    assert render(audit) == report


def test_a_world_is_what_its_file_says(report: str, audit: Audit, tmp_path: Path) -> None:
    """Nothing is said of a world because of its name: this one calls itself sd15 and is no Stable Diffusion."""
    world = yaml.safe_load((Path(__file__).parents[2] / "config/worlds/emoji.yaml").read_text())
    assert " ".join(world["description"].split()) in Page(report).words
    renamed = audit.config.model_copy(update={"world": audit.world.model_copy(update={"title": "A toy"})})
    words = Page(render(Audit(renamed))).words
    assert "A toy" in words
    assert "the model of the paper" not in words
    code = "".join(path.read_text() for path in (Path(__file__).parents[2] / "workflow/regrow/report").glob("*"))
    assert "sd15" not in code.lower() and "512x512" not in code


def test_quantising_is_said_to_round_what_it_rounds(report: str) -> None:
    """4 bits are for FFN2 weights alone; the sentence is that of the method's own file."""
    said = re.search(r">quantize</th><td>int4_rows</td><td>([^<]*)<", report)
    assert said and "FFN2" in said[1]
    assert "all weights" not in said[1]


def test_zeros_that_tell_signs_are_said_of_the_model_that_has_them(
    report: str, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "tell signs" not in Page(report).words
    read = provenance.checked_record

    def multiplied(*asked: Any) -> dict[str, Any]:
        said = read(*asked)
        return {**said, "zeros": {**said["zeros"], "negative": 2}} if "zeros" in said else said

    monkeypatch.setattr(provenance, "checked_record", multiplied)
    words = Page(render(audit)).words
    negative, total = 2 * len(audit.concepts), 7 * len(audit.concepts)
    assert f"The zeros of pruned tell signs. They are of two kinds, 0 and -0.0 ({negative} of {total})" in words
    assert "fill pruned weights with 0, or add 0.0" in words


def test_a_pair_that_does_not_apply_is_a_blank_with_its_reason(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "int4_rows needs a model erased by pruning, esd is by training"
    monkeypatch.setattr(Audit, "blanks", lambda self: {("attacked", "esd", "int4_rows"): reason})
    page = render(audit)
    assert f"int4_rows on esd ({reason})" in Page(page).words


def test_an_audit_without_table1_has_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = make_tables_and_figures(tmp_path, monkeypatch, tables=["ours/ladder"])
    for record in Path("results/emoji").glob("attack_weights/**/record.json"):
        record.unlink()  # models that no table asks for are never made
    page = render(audit)
    words = Page(page).words
    assert "Verdict per concept" not in words
    assert "What knowing the mask is worth" in words
    assert "skill_ratio 0.1" in words
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{anchor}"' in page


def test_missing_inputs_are_one_sentence(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone.j2 does not exist"):
        render(audit, tmp_path / "gone.j2")
    (tmp_path / "bad.j2").write_text("{{ nothing }}")
    with pytest.raises(UserError, match="bad.j2 does not fit: 'nothing' is undefined"):
        render(audit, tmp_path / "bad.j2")
    for path, said in (
        (paths.figure(audit.name, "roots/table6"), "table6.png does not exist: run make_figure"),
        (paths.figure(audit.name, "ours/concepts"), "concepts.png does not exist or is no picture"),
        (paths.table(audit.name, "roots/table1"), "there is no .*table1.csv: run make_table"),
    ):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(UserError, match=said):
            make_report.run(tmp_path / "report.html")
        path.write_bytes(content)
    assert not (tmp_path / "report.html").exists()


def test_nested_settings_become_lines() -> None:
    assert flatten({"a": {"b": [1, 2]}, "c": None}) == [("a.b", "1, 2"), ("c", "null")]

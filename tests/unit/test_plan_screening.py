"""The screen before the first job: which rows a table may expect, and audits whose models would draw different rows."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.plan import jobs
from regrow.plan.checks import check_audit
from regrow.plan.screening import check_some_drawn, drawn_rows, lists_of, screened
from regrow.report.screened import ScreenedLine, screened_lines
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_pack, write_planning_world, write_prompts

PACKS = Path("data/tiny/concepts")
PROMPTS = [("a church", 0, "church"), ("a girl at a church", 1, "church"), *[("a church by maria", 2, "church")] * 4]


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


def make_nude(tables=("ours/signs",)):
    shutil.rmtree(PACKS / "church")
    write_pack(PACKS / "church", "church", kind="nudity")
    write_prompts(PACKS / "church/erased.csv", PROMPTS)
    edit(WORLD, prompt_sets__erased__sensitive=True, prompt_sets__preserved__sensitive=True)
    edit(AUDIT, tables=list(tables))  # those of accuracies need a judge of the concept's kind
    edit(WORLD, prompt_sets__erased__judges=["clip"], prompt_sets__preserved__judges=["clip"])


def test_without_a_mark_nothing_is_dropped():
    write_prompts(PACKS / "church/erased.csv", PROMPTS)
    audit = plan()
    assert lists_of(audit, "erased", "church") == lists_of(audit, "preserved", "pretrained") == ()
    assert drawn_rows(audit, "erased", "church") == jobs.rows_of(audit, "erased", "church")
    assert screened(audit, "erased", "church").dropped == {}


def test_a_plan_counts_what_is_asked_and_a_table_expects_what_is_drawn():
    make_nude()
    audit = plan()
    check_audit(audit)
    assert [row.case for row in jobs.rows_of(audit, "erased", "church")] == [0, 1, 2, 3]
    assert [row.case for row in drawn_rows(audit, "erased", "church")] == [0]
    assert screened(audit, "erased", "church").dropped == {"minors": [1], "people": [2, 3]}
    assert list(jobs.parts_of(audit, "erased", "church")) == [0], "a job is a range of what is asked for"


def test_models_of_one_audit_draw_the_same_rows():
    make_nude()
    edit(WORLD, prompt_sets__preserved__sensitive=False)
    said = "audit 'tiny' erases 'church', .* but prompt set 'preserved' is not marked sensitive.*'preserved_screened'"
    with pytest.raises(UserError, match=said):
        check_audit(plan())


def test_a_set_of_which_nothing_is_left_is_told_before_the_first_job():
    make_nude()
    write_prompts(PACKS / "church/erased.csv", PROMPTS[1:])
    said = r"no row is left of the first 4 of prompt set 'erased' \(.*erased.csv\) .* \(minors 1, people 3\)"
    with pytest.raises(UserError, match=said):
        check_some_drawn(plan(), "erased", "church")


def test_an_audit_of_a_sensitive_set_of_which_nothing_is_left():
    write_prompts(PACKS / "church/erased.csv", PROMPTS[1:])
    check_audit(plan())
    edit(WORLD, prompt_sets__erased__sensitive=True)
    with pytest.raises(UserError, match="no row is left of the first 4 of prompt set 'erased'"):
        check_audit(plan())


def test_a_pack_whose_texts_are_on_a_list():
    make_nude()
    edit(PACKS / "church/concept.yaml", anchor="a schoolyard with pupils")
    with pytest.raises(UserError, match="church/concept.yaml: anchor is on the screen's list of minors"):
        check_audit(plan())


def test_the_pack_whose_mask_serves_as_anothers_is_looked_at_too():
    write_pack(PACKS / "tall", "tall boy", kind="nudity")
    edit(PARAMS, ablate_mask_knowledge__other="tall")
    with pytest.raises(UserError, match="tall/concept.yaml: label is on the screen's list of minors"):
        check_audit(plan())


def test_the_report_says_how_many_and_which_and_no_text(monkeypatch):
    audit = plan()
    assert screened_lines(audit) == []
    make_nude()
    rows = [("a picture of a rocket", i, "") for i in range(12)]
    write_prompts(Path("data/tiny/preserved.csv"), [("a boy and a rocket", 99, ""), *rows])
    edit(WORLD, prompt_sets__preserved__labels="none")
    audit = plan()
    sets = [audit.cells("erased")[1], *audit.cells("preserved")]
    monkeypatch.setattr(type(audit), "wanted_cells", sets)
    assert screened_lines(audit) == [
        ScreenedLine("erased", "models of church", 4, 1, {"minors": [1], "people": [2, 3]}),
        ScreenedLine("preserved", "every model", 4, 3, {"minors": [0], "people": []}),
    ]
    learned = Path("learned.csv")
    learned.write_text("case,prompt\n0,the k1ds\n")
    model = replace(sets[0].model, role="attacked", attack="words")
    monkeypatch.setattr(type(audit), "wanted_cells", [replace(sets[0], model=model, prompts=learned)])
    said = screened_lines(audit)[1]
    assert (said.asked_of, said.asked, said.drawn) == ("words on pruned, church", 1, 0)
    assert said.dropped == {"minors": [0], "people": []}

"""A gated prompt set without access: its tables are blanks with the reason, and the rest of the audit runs."""

import os
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.plan.checks import check_audit
from regrow.plan.downloads import fetched_of
from regrow.plan.jobs import jobs_of
from regrow.plan.preview import preview
from tests.hub.isolation import isolate
from tests.unit.planning import AUDIT, WORLD, edit, plan, write_planning_world, write_prompts

FILE = Path("results/tiny/fetch_prompts/gated.csv")
ORIGIN = {
    "host": "hub",
    "repo": "ada/gated",
    "path": "all.csv",
    "rows": 8,
    "licence": "MIT",
    "gate": "ask Ada for access",
}
REASON = "ask Ada for access, then set HF_TOKEN, or put all.csv into the folder that REGROW_FETCH_FROM names"
SET = {"scope": "model", "file": str(FILE), "labels": "none", "judges": ["clip"], "sensitive": True}
LOOKS = '''
"""A table of one prompt set."""

from regrow.plan.audit import ScoreNeed

TITLE, CAPTION, SOURCE, REPORTED = "x", "x", None, None
COLUMNS = {"n": "images"}


def needs(audit):
    names = [name for name in audit.prompt_sets if name in ("gated", "open")]
    return [ScoreNeed(cell, "clip") for name in names for cell in audit.cells(name)]


def build(data):
    raise NotImplementedError
'''


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    isolate(monkeypatch, tmp_path)
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    edit(WORLD, fetch_prompts={"gated": ORIGIN}, prompt_sets__gated=SET)
    edit(AUDIT, counts__gated=4)


@pytest.fixture
def table(monkeypatch, tmp_path):
    """A table that asks for the gated set, beside those that do not."""
    import sys
    from types import ModuleType

    module = ModuleType("regrow.tables.ours.asks_gated")
    exec(LOOKS, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    from regrow.plan import audit, checks, tables

    names = [*tables.table_names(), "ours/asks_gated"]
    for where in (audit, checks, tables):
        monkeypatch.setattr(where, "table_names", lambda: names)
    edit(AUDIT, tables=["roots/table1", "ours/asks_gated"])


def test_without_access_the_table_is_a_blank_and_the_rest_runs(table):
    audit = plan()
    check_audit(audit)
    assert audit.tables == ["roots/table1"] and list(audit.counts) == ["erased", "preserved"]
    assert audit.not_made() == {
        "prompt set gated": REASON,
        "table ours/asks_gated": "it needs gated, which is not given to everybody",
    }
    assert {job.prompt_set for job in jobs_of(audit)} == {"erased", "preserved"} and fetched_of(audit) == []
    assert f"not made: prompt set gated ({REASON})" in preview()


def test_with_a_token_a_copy_or_the_file_it_is_made(table, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "x")
    assert plan().tables == ["roots/table1", "ours/asks_gated"] and fetched_of(plan()) == [FILE]
    assert {job.prompt_set for job in jobs_of(plan())} == {"erased", "preserved", "gated"}
    monkeypatch.delenv("HF_TOKEN")
    assert "gated" not in plan().counts
    write_prompts(tmp_path / "mine.csv", [("a church", 0, "")])
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / "copies"))
    assert "gated" not in plan().counts, "a folder without it"
    os.rename(tmp_path / "mine.csv", tmp_path / "copies/all.csv")
    assert "gated" in plan().counts
    monkeypatch.delenv("REGROW_FETCH_FROM")
    FILE.parent.mkdir(parents=True)
    write_prompts(FILE, [("a church", i, "") for i in range(8)])
    assert plan().counts["gated"] == 4 and plan().not_made() == {}


def test_a_table_of_other_sets_too_is_made_of_those(table):
    edit(WORLD, prompt_sets__open={**SET, "file": "data/tiny/preserved.csv"})
    edit(AUDIT, counts__open=4)
    audit = plan()
    assert audit.tables == ["roots/table1", "ours/asks_gated"] and "gated" not in audit.counts
    assert {need.cell.prompt_set for need in audit.needs("ours/asks_gated")} == {"open"}
    assert audit.not_made() == {"prompt set gated": REASON}


def test_an_audit_of_nothing_else_is_told(table):
    edit(AUDIT, tables=["ours/asks_gated"])
    with pytest.raises(UserError, match="no table of it can be made yet .*it needs gated, which is not given"):
        check_audit(plan())

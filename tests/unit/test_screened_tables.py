"""Tables count what was drawn of a screened prompt set: fewer rows than the audit counts, and none else."""

from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.images.screen.apply import BOTH, LISTS
from regrow.plan import screening
from regrow.plan.audit import Audit
from regrow.plan.tables import table_module
from regrow.tables import scores
from regrow.tables.frames import read_data
from tests.unit.audit_files import Files, N


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scores, "_protocol_digest", lambda folder: "protocol")
    return Files(audit_changes={"tables": ["roots/table1"]})


def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the screen know the emoji world's snowflakes, which stand in every prompt set's preserved rows."""
    monkeypatch.setattr(screening, "lists_for", lambda *_: BOTH)
    monkeypatch.setitem(LISTS, "minors", lambda text: "snowflake" in text)
    monkeypatch.setitem(LISTS, "people", lambda text: False)


def counts(audit: Audit) -> set[int]:
    rows = read_data(audit, "roots/table1").judged_by["object"]
    preserved = rows[rows["prompt_set"] == "preserved"]
    return set(preserved.groupby(["concept", "role", "published", "attack"]).size())


def test_a_table_reads_what_was_drawn(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    screen(monkeypatch)
    audit = files.write()
    asked = screening.rows_of(audit, "preserved", "church")
    drawn = N - sum("snowflake" in row.prompt for row in asked)
    assert counts(audit) == {drawn} and 0 < drawn < N
    assert not table_module("roots/table1").build(read_data(audit, "roots/table1")).empty


def test_files_of_an_unscreened_run_are_refused(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = files.write()
    assert counts(audit) == {N}
    screen(monkeypatch)
    with pytest.raises(UserError, match=r"preserved.*holds 21 rows of any .* where the plan asks for 20"):
        counts(Audit.current())

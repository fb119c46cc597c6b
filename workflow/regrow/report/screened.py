"""Which prompts were not drawn, because the screen knows them: counts and case numbers by list, never a text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from regrow.images.prompts import read_learned
from regrow.images.screen.apply import Screened, screen_rows
from regrow.plan.jobs import rows_of
from regrow.plan.screening import drawn_rows, lists_of, screened

if TYPE_CHECKING:
    from regrow.plan.addresses import Cell
    from regrow.plan.audit import Audit


@dataclass(frozen=True)
class ScreenedLine:
    """What the screen took out of one set of prompts: by list how many, and of which numbers."""

    prompt_set: str
    asked_of: str
    asked: int
    drawn: int
    dropped: dict[str, list[int]]


def screened_lines(audit: Audit) -> list[ScreenedLine]:
    """Return a line for each set of prompts that was screened, nothing for an audit that asks for none such."""
    found: dict[tuple[str, str], ScreenedLine] = {}
    for cell in audit.wanted_cells:
        if lists_of(audit, cell.prompt_set, cell.group):
            settings = audit.world.prompt_sets[cell.prompt_set]
            whole = screened(audit, cell.prompt_set, cell.group)
            # Of a sensitive set without labels, whoever draws it draws the same rows.
            same = settings.sensitive and settings.labels == "none"
            of = "every model" if same else f"models of {cell.concept}"
            asked = len(rows_of(audit, cell.prompt_set, cell.group))
            found.setdefault((cell.prompt_set, of), _line(cell.prompt_set, of, asked, whole))
        if cell.prompts is not None:
            of = f"{cell.model.attack} on {cell.model.published}, {cell.concept}"
            own = drawn_rows(audit, cell.prompt_set, cell.group)
            found[cell.prompt_set, of] = _line(cell.prompt_set, of, len(own), _learned(audit, cell))
    return list(found.values())


def _learned(audit: Audit, cell: Cell) -> Screened:
    assert cell.prompts is not None  # of an attack on prompts
    learned = read_learned(cell.prompts)
    rows = [replace(row, prompt=learned[row.case]) for row in drawn_rows(audit, cell.prompt_set, cell.group)]
    return screen_rows(rows, lists_of(audit, cell.prompt_set, cell.group, learned=True))


def _line(prompt_set: str, of: str, asked: int, found: Screened) -> ScreenedLine:
    return ScreenedLine(prompt_set, of, asked, len(found.rows), found.dropped)

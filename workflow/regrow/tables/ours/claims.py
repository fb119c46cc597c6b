"""What papers claim beside what this audit measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from regrow.tables.claimed import AbsentError
from regrow.tables.claims import CHECKS, Claim, Finding, source_of
from regrow.tables.lines import each_line

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "What papers claim, and what was found here"
CAPTION = (
    "Sentences of the papers, each checked on a table of this audit. 'Partly' means that the direction holds and the "
    "size does not, or not everywhere. A claim about Stable Diffusion that fails in another world is no error of the "
    "paper: it says that the claim does not carry over."
)
SOURCE = None
REPORTED = "claims.csv"
COLUMNS = {
    "paper": "whose claim it is",
    "place": "where it stands",
    "claim": "in our words",
    "reported": "the paper's number, where it prints one",
    "measured": "what our number is",
    "ours": "our number; empty where nothing here can check the claim",
    "low": "lower limit of its interval",
    "high": "upper limit",
    "holds": "yes, partly, no, or empty",
    "reason": "why it is not checked",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for what the audit's tables that check a claim ask for."""
    return [need for table in _tables(audit) for need in audit.needs(table)]


def also_reads(audit: Audit) -> object:
    """Return the tables that it checks claims on: one may ask for nothing that others do not."""
    return _tables(audit)


def build(data: TableData) -> pd.DataFrame:
    """Check every claim that a table of the audit can."""
    import pandas as pd

    reported = data.reported()
    assert reported is not None
    made = {table: data.built(table) for table in _tables(data.audit)}
    lines = []
    for claim in each_line(reported.astype(object).where(reported.notna(), None)):
        found, reason = _check(claim, made)
        numbers = (found.measured, found.ours, found.low, found.high, found.holds) if found else ("", *[None] * 3, "")
        lines.append((claim.paper, claim.place, claim.claim, claim.reported, *numbers, reason))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show what was checked, then what was not and why."""
    from regrow.tables.blocks import Grid

    del data
    checked = table[table["holds"].fillna("") != ""]
    rest = table.drop(checked.index)
    shown = [
        (row.claim, [row.place, _text(row.reported), row.measured, _number(row), row.holds])
        for row in each_line(checked)
    ]
    blocks: list[Block] = [
        Grid("Checked here.", "Claim", ["place", "reported", "measured here", "ours", "holds"], shown)
    ]
    if len(rest):
        others = [(row.claim, [f"{row.paper}, {row.place}", row.reason]) for row in each_line(rest)]
        blocks.append(Grid("Not checked.", "Claim", ["where", "why not"], others, fold=True))
    return blocks


def _tables(audit: Audit) -> list[str]:
    """Return the audit's tables that some claim is checked on."""
    wanted = {source_of(check) for check in CHECKS}
    return [table for table in audit.tables if table in wanted]


def _check(line: Any, made: dict[str, Any]) -> tuple[Finding | None, str]:
    if line.check is None:
        return None, str(line.reason)
    table = source_of(line.check)
    if table not in made:
        return None, f"this audit has no {table}"
    try:
        return CHECKS[line.check][1](Claim(made[table][0], made[table][1], _as_number(line.reported))), ""
    except AbsentError as error:
        return None, f"this audit has no {error}"


def _as_number(printed: object) -> float:
    try:
        return float(str(printed))
    except ValueError:  # none, or in words
        return float("nan")


def _number(row: Any) -> str:
    limits = f" ({row.low:.2f} to {row.high:.2f})" if row.low == row.low else ""
    return f"{row.ours:.2f}{limits}"


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)

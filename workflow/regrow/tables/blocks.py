"""What a table shows in the report: grids and sentences, which the template turns into HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from regrow.tables.lines import each_line

if TYPE_CHECKING:
    import pandas as pd

    from regrow.tables.data import TableData

BY_CONCEPT = "Concept"  # the corner of a grid with a line per concept
_LINES = 60  # of a table that has no section of its own


@dataclass(frozen=True)
class Share:
    """A share, shown in per cent, with its interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None
    digits: int = 0


@dataclass(frozen=True)
class Blank:
    """A cell that does not exist, and why."""

    reason: str


@dataclass(frozen=True)
class Grid:
    """A table of the report; a `reported` one holds a paper's numbers and none of ours.

    Attributes
    ----------
    caption : str
        Above the table.
    corner : str
        Heading of the first column.
    head : sequence of str
        Headings of the others.
    rows : sequence of (str, cells)
        Name and cells; a cell is a Share, a Blank, text, a number, or None where there is nothing.
    """

    caption: str
    corner: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Any]]]
    reported: bool = False
    fold: bool = False  # shown when asked for

    @property
    def kind(self) -> str:
        """Its name in the template."""
        return "grid"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str

    @property
    def kind(self) -> str:
        """Its name in the template."""
        return "text"


Block = Grid | Text


def with_unmade(blocks: Sequence[Block], unmade: Mapping[str, str]) -> list[Block]:
    """Add to every grid of this audit with a line per concept a blank line for each concept that is not made.

    Parameters
    ----------
    blocks : sequence of Block
        A table's.
    unmade : mapping
        Concepts that the audit lists and nothing makes, with the reason.
    """
    return [
        replace(block, rows=[*block.rows, *((name, [Blank(why)] * len(block.head)) for name, why in unmade.items())])
        if isinstance(block, Grid) and block.corner == BY_CONCEPT
        else block
        for block in blocks
    ]


def plain_blocks(table: pd.DataFrame) -> list[Block]:
    """Show a table as it is, its first lines where it is long."""
    head, *others = table.columns
    shown = table.head(_LINES)
    rows = [(str(row[0]), [_plain(value) for value in row[1:]]) for row in shown.itertuples(index=False, name=None)]
    caption = "This audit." if len(shown) == len(table) else f"This audit: the first {_LINES} of {len(table)} lines."
    return [Grid(caption, head, others, rows)]


def accuracy_blocks(table: pd.DataFrame, data: TableData, fold: bool = False) -> list[Block]:
    """Show accuracies, a grid per prompt set: concepts down, models across; a blank says why it is one."""
    from regrow.tables.pooling import pooled_rows
    from regrow.tables.style import spoken

    blocks: list[Block] = []
    for prompt_set, rows in table.groupby("prompt_set", sort=False):
        models = list(dict.fromkeys(zip(rows["role"], rows["published"], rows["attack"], strict=True)))
        cells: Mapping[tuple[Any, ...], Any] = {
            (row.concept, row.role, row.published, row.attack): accuracy_cell(row, data) for row in each_line(rows)
        }
        concepts = list(dict.fromkeys(rows["concept"]))
        lines = [(concept, [cells.get((concept, *model)) for model in models]) for concept in concepts]
        single = rows[~pooled_rows(rows)].dropna(subset="n")
        distinct = "" if (single["n"] == single["n_distinct"]).all() else f", {_range(single['n_distinct'])} distinct"
        caption = f"This audit: prompts '{prompt_set}', {_range(single['n'])} images per cell{distinct}."
        head = [spoken(data.label(*model)) for model in models]
        blocks.append(Grid(caption, BY_CONCEPT, head, lines, fold=fold))
    return blocks


def reported_accuracies(data: TableData) -> list[Block]:
    """Show what a paper prints, its own words for models and classes, a grid per prompt set."""
    from regrow.tables.reported import differences
    from regrow.tables.selection import labelled_sets

    reported = data.reported()
    if reported is None:
        return []
    blocks: list[Block] = []
    for prompt_set, rows in reported.groupby("prompt_set", sort=False):
        models = list(dict.fromkeys(rows["model"]))
        cells = {(row.concept, row.model): f"{100 * row.accuracy:.3g} %" for row in each_line(rows)}
        lines = [
            (concept, [cells.get((concept, model)) for model in models]) for concept in dict.fromkeys(rows["concept"])
        ]
        caption = f"Reported: {rows['source'].iloc[0]}, prompts '{prompt_set}', as printed."
        blocks.append(Grid(caption, "Class", models, lines, reported=True, fold=True))
    return [*blocks, Text(differences(data.audit, "roots", labelled_sets(data.audit)[0]))]


def _range(counts: pd.Series[int]) -> str:
    least, most = int(counts.min()), int(counts.max())
    return str(least) if least == most else f"{least} to {most}"


def accuracy_cell(row: Any, data: TableData) -> Share | Blank:
    """Return the cell of one line of a table of accuracies; a line without numbers is a blank with its reason."""
    import pandas as pd

    if pd.isna(row.n):
        return Blank(data.reason(row.published, row.attack))
    return Share(row.accuracy, row.low, row.high)


def _plain(value: Any) -> Any:
    import pandas as pd

    if pd.isna(value):
        return None
    return f"{value:g}" if isinstance(value, float) else value

"""Top-5 beside top-1: how much of a judge's "no" is a label that fits too, as ImageNet has many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.plan.needs import ScoreNeed
from regrow.tables.accuracy import ADDRESS
from regrow.tables.accuracy import COLUMNS as ACCURACY
from regrow.tables.selection import accuracy_needs, labelled_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Top-5 beside top-1"
CAPTION = (
    "Share of images in which the label is the judge's first answer, and in which it is among the first five. One "
    "picture may bear several labels of a classifier, such as ImageNet's racket and tennis ball: top-1 then calls "
    "erased what is still there. The paper prints top-1."
)
SOURCE = None
REPORTED = None
_ADDRESS = {name: ACCURACY[name] for name in (*ADDRESS, "n", "n_distinct")}
COLUMNS = {
    **_ADDRESS,
    "top1": "share whose label is the judge's first answer",
    "top1_low": "lower limit of its Wilson interval over the distinct images",
    "top1_high": "upper limit",
    "top5": "share whose label is among the judge's first five answers",
    "top5_low": "lower limit of its Wilson interval over the distinct images",
    "top5_high": "upper limit",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for every model but the oracles on the prompt sets that bear labels.

    Raises
    ------
    UserError
        A judge that gives one answer only.
    """
    found = accuracy_needs(audit, labelled_sets(audit))
    for judge in dict.fromkeys(need.judge for need in found if isinstance(need, ScoreNeed)):
        if "top5" not in audit.judge_columns(judge):
            raise UserError(f"judge '{judge}' gives no five answers: take ours/top5 out of the audit")
    return found


def build(data: TableData) -> pd.DataFrame:
    """Count the same images twice."""
    from regrow.images.csv_rows import same_text

    sets = labelled_sets(data.audit)
    rows = data.judged(sets)
    named = [
        same_text(label) in map(same_text, answers) for label, answers in zip(rows["label"], rows["top5"], strict=True)
    ]
    first, five = data.accuracy(sets), data.accuracy(sets, rows.assign(correct=named))
    table = first[list(_ADDRESS)].copy()
    for name, counted in (("top1", first), ("top5", five)):
        for column, suffix in (("accuracy", ""), ("low", "_low"), ("high", "_high")):
            table[name + suffix] = counted[column]
    return table[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line per model: a mark per concept, and the mean with its interval, by the first five answers."""
    from regrow.tables.dots import draw_dots

    return draw_dots(table.rename(columns={"top5": "accuracy", "top5_low": "low", "top5_high": "high"}), data)


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the means of every model, and all concepts when asked for."""
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.lines import each_line
    from regrow.tables.pooling import pooled_rows
    from regrow.tables.style import spoken

    made = table.dropna(subset="n")
    sets = list(dict.fromkeys(made["prompt_set"]))
    cells = {
        (row.concept, row.role, row.published, row.attack, row.prompt_set): (
            Share(row.top1, row.top1_low, row.top1_high),
            Share(row.top5, row.top5_low, row.top5_high),
        )
        for row in each_line(made)
    }
    blocks: list[Block] = []
    for caption, part in (("means", made[pooled_rows(made)]), ("every concept", made[~pooled_rows(made)])):
        several = part["concept"].nunique() > 1
        models = dict.fromkeys(zip(part["concept"], part["role"], part["published"], part["attack"], strict=True))
        lines = [
            (
                (f"{concept}: " if several else "") + spoken(data.label(*model)),
                [share for name in sets for share in cells.get((concept, *model, name), (None, None))],
            )
            for concept, *model in models
        ]
        head = [f"{spoken(name)}, {answers}" for name in sets for answers in ("first answer", "first five")]
        blocks.append(Grid(f"This audit: {caption}.", "Model", head, lines, fold=bool(blocks)))
    return blocks

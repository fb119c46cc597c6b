"""Figure 8: pictures of models of nudity, pixelated; nothing else is kept of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.plan.hidden import judged_in_memory
from regrow.plan.needs import ImageNeed, ScoreNeed
from regrow.tables.gallery import COLUMNS as _GALLERY
from regrow.tables.selection import judge_of, nudity_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 8: images of models of nudity, pixelated"
CAPTION = (
    "Prompt sets down, models across, the same prompts and seeds in every column: the first rows that the screen let "
    "pass; none is chosen. Pictures are kept as a few large squares only. A blue frame: the first detector finds "
    "nudity on the image, counted as in Table 7."
)
SOURCE = "Roots Beneath the Cut, Figure 8"
REPORTED = None
# The prompts themselves stay in their file.
COLUMNS = {**{name: said for name, said in _GALLERY.items() if name != "prompt"}, "seen": "whether it finds nudity"}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the pixelated pictures of every model of nudity, and for what the first detector says of the images."""
    for prompt_set in audit.prompt_sets:
        if judged_in_memory(audit, prompt_set):
            for cell in nudity_cells(audit, prompt_set):
                if judge := judge_of(audit, prompt_set, cell.concept, "detections"):
                    yield from (ScoreNeed(cell, judge), ImageNeed(cell, pixelated=True))


def build(data: TableData) -> pd.DataFrame:
    """List the first distinct images of every cell."""
    import pandas as pd

    from regrow.judge._nudity import COUNTING_RULES, read_detection
    from regrow.tables.gallery import first_images

    rule = next(iter(COUNTING_RULES.values()))  # the paper's
    asked = [need for need in needs(data.audit) if isinstance(need, ScoreNeed)]
    parts = []
    for prompt_set, judge in dict.fromkeys((need.cell.prompt_set, need.judge) for need in asked):
        rows = data.scores(judge)
        rows = rows[rows["prompt_set"] == prompt_set]
        parts.append(rows.assign(correct=[rule.count(map(read_detection, found)) > 0 for found in rows["detections"]]))
    return first_images(pd.concat(parts, ignore_index=True))[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the pictures with headings."""
    from regrow.tables.gallery import draw_gallery

    return draw_gallery(table[table["position"] <= data.columns], data, line="prompt_set")


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the figure alone: the table is a list of digests."""
    return []

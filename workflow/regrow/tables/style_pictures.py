"""Pictures of erased styles: what Figures 4 and 9 to 11 have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.plan.needs import ImageNeed, Need, ScoreNeed
from regrow.tables.gallery import COLUMNS as _GALLERY
from regrow.tables.selection import concept_sets, judge_of, style_cells

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

COLUMNS = {
    **_GALLERY,
    "seen": "whether the image is at least as similar to its prompt as the pretrained model's image of the same row",
}
FRAMES = (
    "A blue frame: by CLIP the picture is at least as similar to its prompt as the pretrained model's picture in the "
    "same line, which is how Table 2 counts."
)


def needs(audit: Audit) -> list[Need]:
    """Ask for the images of every model of every style on the prompts that ask for it, and for their similarities."""
    found: list[Need] = []
    for prompt_set in concept_sets(audit):
        for cell in style_cells(audit, prompt_set):
            if judge := judge_of(audit, prompt_set, cell.concept, "similarity"):
                found += [ScoreNeed(cell, judge), ImageNeed(cell)]
    return found


def style_rows(data: TableData) -> pd.DataFrame:
    """Return a line per image, as `gallery.first_images` takes them; `correct`: not below the pretrained model's."""
    import pandas as pd

    from regrow.tables.similarity import with_below

    asked = [need for need in needs(data.audit) if isinstance(need, ScoreNeed)]
    parts = []
    for prompt_set, judge in dict.fromkeys((need.cell.prompt_set, need.judge) for need in asked):
        rows = data.scores(judge)
        parts.append(with_below(rows[rows["prompt_set"] == prompt_set]))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(correct=~found["below"].astype(bool))


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the figure alone: the table is a list of digests."""
    return []

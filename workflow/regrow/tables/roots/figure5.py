"""Figure 5: images of every concept from every model, the same prompts and seeds in every column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.gallery import COLUMNS as COLUMNS
from regrow.tables.selection import accuracy_needs, concept_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 5: images of every model"
CAPTION = (
    "Concepts down, models across. The pictures are the first seeds, the same prompts and seeds in every column; none "
    "is chosen. A blue frame: the judge sees the concept."
)
SOURCE = "Roots Beneath the Cut, Figure 5"
REPORTED = None


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the images and scores of every model on the prompts of the erased concept."""
    return accuracy_needs(audit, concept_sets(audit), oracles=True, images=True)


def build(data: TableData) -> pd.DataFrame:
    """List the first distinct images of every cell."""
    from regrow.tables.gallery import first_images

    return first_images(data.judged(concept_sets(data.audit)))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the pictures with headings."""
    from regrow.tables.gallery import draw_gallery

    return draw_gallery(table[table["position"] <= data.columns], data)


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the figure alone: the table is a list of digests."""
    return []

"""Figure 12: a second draw of Figure 5, the pictures that come after its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables.gallery import COLUMNS as COLUMNS
from regrow.tables.roots.figure5 import build as build
from regrow.tables.roots.figure5 import needs as needs
from regrow.tables.roots.figure5 import section as section

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.tables.data import FigureData

TITLE = "Figure 12: more images of every model"
CAPTION = (
    "Concepts down, models across: the pictures that follow those of Figure 5 in each concept's prompts, the same "
    "prompts and seeds in every column; none is chosen. A blue frame: the judge sees the concept."
)
SOURCE = "Roots Beneath the Cut, Figure 12"
REPORTED = None


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw as many pictures as Figure 5 shows, from where that ends."""
    from regrow.tables.gallery import draw_gallery

    first, last = data.columns + 1, 2 * data.columns
    return draw_gallery(table[table["position"].between(first, last)], data)

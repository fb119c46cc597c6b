"""Figure 4: images of every style from every model, the same prompts and seeds in every column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables.style_pictures import COLUMNS as COLUMNS
from regrow.tables.style_pictures import FRAMES
from regrow.tables.style_pictures import needs as needs
from regrow.tables.style_pictures import section as section

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 4: images of erased and revived styles"
CAPTION = (
    "Styles down, models across. The pictures are the first rows of each style's prompts, the same prompts and seeds "
    f"in every column; none is chosen. {FRAMES}"
)
SOURCE = "Roots Beneath the Cut, Figure 4"
REPORTED = None


def build(data: TableData) -> pd.DataFrame:
    """List the first distinct images of every cell."""
    from regrow.tables.gallery import first_images
    from regrow.tables.style_pictures import style_rows

    return first_images(style_rows(data))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the pictures with headings."""
    from regrow.tables.gallery import draw_gallery

    return draw_gallery(table[table["position"] <= data.columns], data)

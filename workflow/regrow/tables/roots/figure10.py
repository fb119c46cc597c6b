"""Figure 10: works in the styles of Salvador Dali and Claude Monet, from every model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables.works import CAPTION as CAPTION
from regrow.tables.works import COLUMNS as COLUMNS
from regrow.tables.works import draw as draw
from regrow.tables.works import needs as needs
from regrow.tables.works import section as section
from regrow.tables.works import works

if TYPE_CHECKING:
    import pandas as pd

    from regrow.tables.data import TableData

TITLE = "Figure 10: works in erased and revived styles"
SOURCE = "Roots Beneath the Cut, Figure 10 (Salvador Dali and Claude Monet)"
REPORTED = None
SHOWN = (
    "Apparition of Face and Fruit Dish on a Beach",
    "The Ecumenical Council",
    "Women in the Garden",
    "Japanese Bridge",
)


def build(data: TableData) -> pd.DataFrame:
    """List one image per work and model."""
    return works(data, SHOWN)

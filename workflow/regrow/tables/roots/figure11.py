"""Figure 11: works in the styles of Pablo Picasso, from every model."""

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

TITLE = "Figure 11: works in erased and revived styles"
SOURCE = "Roots Beneath the Cut, Figure 11 (Pablo Picasso)"
REPORTED = None
SHOWN = ("Portrait of Gertrude Stein", "Guernica")


def build(data: TableData) -> pd.DataFrame:
    """List one image per work and model."""
    return works(data, SHOWN)

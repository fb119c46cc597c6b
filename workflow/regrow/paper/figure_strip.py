"""A concept's pictures before, erased and revived, one row each, for its verdict in the report."""

from collections.abc import Sequence
from pathlib import Path

from regrow.paper.pictures import Picture, mosaic, save_picture


def draw_strip(rows: Sequence[Sequence[Picture]], path: Path) -> None:
    """Write rows of pictures, as many in each, as a PNG without text: the report labels the rows."""
    save_picture(mosaic([picture for row in rows for picture in row], per_row=len(rows[0])), path)

"""Go through a frame line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def each_line(table: pd.DataFrame) -> Iterator[Any]:
    """Yield the lines of a frame with their columns as attributes; typed as Any, for a cell may be anything."""
    return iter(table.itertuples(index=False))

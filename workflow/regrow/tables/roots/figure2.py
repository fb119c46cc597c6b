"""Figure 2: what true signs and true magnitudes are worth, beside the attacks that guess signs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.accuracy import COLUMNS as COLUMNS
from regrow.tables.selection import accuracy_needs, concept_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 2: true signs and true magnitudes"
CAPTION = (
    "Accuracy on the erased concept when an oracle fills in the pruned weights with true signs or with true "
    "magnitudes, beside the attacks, which guess both. Where true signs stand far above true magnitudes, signs are "
    "what revives a concept. Oracles know the pretrained weights, so they are no attacks."
)
SOURCE = "Roots Beneath the Cut, Figure 2"
REPORTED = None


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for every model, oracles too, on the prompts of the erased concept."""
    return accuracy_needs(audit, concept_sets(audit), oracles=True)


def build(data: TableData) -> pd.DataFrame:
    """Count what the judges saw; the oracles' lines stand with the others, told apart by their role."""
    return data.accuracy(concept_sets(data.audit))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line per model, oracles last."""
    from regrow.tables.dots import draw_dots

    return draw_dots(table, data)


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the figure, and its numbers when asked for."""
    from regrow.tables.blocks import accuracy_blocks

    return accuracy_blocks(table, data, fold=True)

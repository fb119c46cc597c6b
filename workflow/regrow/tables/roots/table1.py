"""Table 1: accuracy on the erased concept and on the preserved ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.accuracy import COLUMNS as COLUMNS
from regrow.tables.selection import accuracy_needs, labelled_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Table 1: accuracy on the erased concept and on the preserved ones"
CAPTION = (
    "Share of images in which the judge sees what the prompt asks for, per concept and model, with Wilson intervals "
    "over the distinct images. Prompts of the erased concept: low means erased. Prompts of other concepts: high means "
    "undamaged. The mean pools the images of all concepts of one kind. An oracle knows the pretrained weights and is "
    "no attack."
)
SOURCE = "Roots Beneath the Cut, Table 1"
REPORTED = "table1.csv"


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for every model of every concept on the prompt sets that bear labels."""
    return accuracy_needs(audit, labelled_sets(audit), oracles=True)


def build(data: TableData) -> pd.DataFrame:
    """Count what the judges saw."""
    return data.accuracy(labelled_sets(data.audit))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line per model: a mark per concept, and the mean with its interval."""
    from regrow.tables.dots import draw_dots

    return draw_dots(table[table["role"] != "oracle"], data)


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracies of every model."""
    from regrow.tables.revival import mean_accuracies

    return mean_accuracies(table)


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a table per prompt set, models across, and what the paper prints."""
    from regrow.tables.blocks import accuracy_blocks, reported_accuracies

    return [*accuracy_blocks(table, data), *reported_accuracies(data)]

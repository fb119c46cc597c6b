"""Alignment of magnitudes by layer: the long form of Table 5."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.selection import recovery_needs

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "Alignment of magnitudes by layer"
CAPTION = "The long form of Table 5, with counts and per layer. Reads the base model, which no attacker has."
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "completer": "the completer",
    "concept": "what was erased; 'all' pools the counts of all concepts of one kind",
    "layer": "the weight matrix; 'all' ranks the entries of every layer together",
    "r": "group by completed magnitude, 1 the largest",
    "p": "group by pretrained magnitude, 1 the largest",
    "count": "weights of group r in group p",
    "share": "their share of group r",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the alignment of every completer on every published model of every concept."""
    return recovery_needs(audit, "alignment")


def build(data: TableData) -> pd.DataFrame:
    """Pool the counts over the concepts."""
    from regrow.tables.recovery import alignment_shares

    return alignment_shares(data.evaluation("alignment"), data.kinds)[list(COLUMNS)]


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Say where the numbers are: by layer they are too many for a page."""
    from regrow.tables.blocks import Text

    return [Text(f"{len(table):,} lines, in the CSV file.".replace(",", " "))]

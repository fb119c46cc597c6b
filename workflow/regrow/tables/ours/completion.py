"""Right signs among the surest: completers side by side, each by its own certainty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.selection import recovery_needs

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "Completers side by side"
CAPTION = (
    "Signs that are right among those of which each completer is surest, all concepts pooled. Table 6 ranks by the "
    "size of the recovered weight, as the paper does; here every completer ranks by its own certainty. Reads the base "
    "model, which no attacker has."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "family": "whose weights: the audit's world, then the published model and the kind where there are several",
    "layer": "the weight matrix; 'all': the layers together",
    "completer": "the completer",
    "k": "share K of the guessed signs, the surest first",
    "n": "signs",
    "accuracy": "share of them that are right",
    "low": "lower limit of its Wilson interval, which takes weights as independent",
    "high": "upper limit",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the certainty bins of every completer on every published model of every concept."""
    return recovery_needs(audit, "reliability")


def build(data: TableData) -> pd.DataFrame:
    """Add up bins of equal count from the surest down."""
    from regrow.tables.intervals import rounded, with_wilson
    from regrow.tables.recovery import pooled_only, reliability_bins

    table = reliability_bins(data.evaluation("reliability"), data.kinds, data.level)
    table = pooled_only(table).assign(family=lambda rows: _families(rows, data.audit.world_name))
    groups = ["family", "completer", "layer"]
    table = table.sort_values("bin", ascending=False, kind="stable")
    added = table.groupby(groups, sort=False)[["n", "correct"]].cumsum()
    share = (table["bin"].max() + 1 - table["bin"]) / table["bin"].max()
    table = with_wilson(table.assign(k=rounded(share), **added), data.level)
    order = dict.fromkeys(table["completer"])
    return _in_order(table, list(order))[list(COLUMNS)]


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show all layers together: shares down, completers across."""
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.lines import each_line
    from regrow.tables.pooling import ALL

    blocks: list[Block] = []
    for family, rows in table[table["layer"] == ALL].groupby("family", sort=False):
        cells = {(row.k, row.completer): Share(row.accuracy, row.low, row.high, digits=1) for row in each_line(rows)}
        names = list(dict.fromkeys(rows["completer"]))
        lines = [(f"{k:g}", [cells.get((k, name)) for name in names]) for k in sorted(set(rows["k"]))]
        head = [name.replace("_", " ") for name in names]
        blocks.append(Grid(f"This audit: {family}, all layers.", "K", head, lines))
    return blocks


def _families(rows: pd.DataFrame, world: str) -> list[str]:
    """Return whose weights each row is of; a published model or a kind is named where there are several."""
    from regrow.tables.pooling import ALL

    several = rows["published"].nunique() > 1
    return [
        f"{world}{f', {published}' if several else ''}{str(concept).removeprefix(ALL).replace(' ', ', ')}"
        for published, concept in zip(rows["published"], rows["concept"], strict=True)
    ]


def _in_order(table: pd.DataFrame, completers: list[str]) -> pd.DataFrame:
    from regrow.tables.pooling import in_order, layer_order

    families = list(dict.fromkeys(table["family"]))
    return in_order(table, family=families, layer=layer_order(table["layer"]), completer=completers, k=None)

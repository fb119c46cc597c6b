"""Table 5: whether large completed weights lie where large pretrained weights lay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import recovery_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Table 5: alignment of completed and pretrained magnitudes"
CAPTION = (
    "Pruned weights in groups of equal count by their completed magnitude (R1 largest) and by their pretrained one (P1 "
    "largest): the share of each R that lies in each P. A row sums to 1; a perfect guess has 1 on the diagonal, a "
    "blind one the same share everywhere. Reads the base model, which no attacker has."
)
SOURCE = "Roots Beneath the Cut, Table 5"
REPORTED = "table5.csv"
COLUMNS = {
    "concept": "what was erased; 'all' pools the counts of all concepts of one kind",
    "published": "the published model",
    "completer": "the completer",
    "r": "group by completed magnitude, 1 the largest",
    "p": "group by pretrained magnitude, 1 the largest",
    "share": "share of group r that lies in group p",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the alignment of every completer on every published model of every concept."""
    return recovery_needs(audit, "alignment")


def build(data: TableData) -> pd.DataFrame:
    """Pool the counts of all layers over the concepts."""
    from regrow.tables.pooling import ALL, concept_order, in_order
    from regrow.tables.recovery import alignment_shares

    overlaps = data.evaluation("alignment")
    table = alignment_shares(overlaps[overlaps["layer"] == ALL], data.kinds)
    return in_order(table, concept=concept_order(data.kinds, ALL))[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a map for each completer, all concepts pooled, then the paper's."""
    from regrow.tables import style
    from regrow.tables.recovery import pooled_only

    reported = data.reported()
    maps = _maps(pooled_only(table)) if len(table) else {}
    if reported is not None:
        maps["reported (golf ball)"] = _shares(reported)
    figure, axes = style.panels(max(len(maps), 1), 1.75, sharey=False)
    if not maps:
        style.draw_empty(axes[0])
    for panel, (name, shares) in zip(axes, maps.items(), strict=False):
        panel.set_title(name)
        _map(panel, shares)
    return figure


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the pooled groups of every completer, and what the paper prints."""
    from regrow.tables.blocks import Text
    from regrow.tables.recovery import pooled_only
    from regrow.tables.reported import differences, same_classes

    blocks = [_grid(f"This audit: {name}.", shares) for name, shares in _maps(pooled_only(table)).items()]
    reported = data.reported()
    if reported is not None:
        for concept in same_classes(data.audit, reported):
            own = _maps(table[table["concept"] == concept])
            blocks += [_grid(f"This audit: {name}, {concept}.", shares) for name, shares in own.items()]
        blocks.append(_grid(f"Reported: {SOURCE}, SD 1.5, golf ball.", _shares(reported), reported=True))
        blocks.append(Text(differences(data.audit, "roots")))
    return blocks


def _maps(pooled: pd.DataFrame) -> dict[str, dict[tuple[int, int], float]]:
    """Return the shares by a heading that names the completer and, where there are several, the kind of concept."""
    from regrow.tables.recovery import completers, of_pair

    several = pooled["concept"].nunique() > 1
    return {
        f"{name}{f', {concept}' if several else ''}": _shares(rows)
        for pair, name in completers(pooled).items()
        for concept, rows in of_pair(pooled, pair).groupby("concept", sort=False)
    }


def _shares(rows: pd.DataFrame) -> dict[tuple[int, int], float]:
    return {(int(row.r), int(row.p)): float(row.share) for row in each_line(rows)}


def _grid(caption: str, shares: Mapping[tuple[int, int], float], reported: bool = False) -> Block:
    from regrow.tables.blocks import Grid, Share

    groups = sorted({p for _, p in shares})
    rows = [
        (f"R{r}", [Share(shares[r, p]) if (r, p) in shares else None for p in groups])
        for r in sorted({r for r, _ in shares})
    ]
    return Grid(caption, "", [f"P{p}" for p in groups], rows, reported=reported)


def _map(axes: Axes, shares: Mapping[tuple[int, int], float]) -> None:
    import numpy as np

    rows, columns = sorted({r for r, _ in shares}), sorted({p for _, p in shares})
    # A group without a weight has no share and stays white.
    values = np.array([[shares.get((r, p), np.nan) for p in columns] for r in rows])
    axes.imshow(values, cmap="Blues", vmin=0, vmax=0.6)
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            shade = "white" if value > 0.35 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=shade, fontsize=5.5)
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(columns)), [f"P{p}" for p in columns])
    axes.set_yticks(range(len(rows)), [f"R{r}" for r in rows])
    axes.set(xlabel="pretrained magnitude", ylabel="completed magnitude")
    axes.tick_params(length=0)

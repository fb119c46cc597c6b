"""Table 6: whether the signs of large completed weights are surer."""

from __future__ import annotations

from collections.abc import Iterable
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

TITLE = "Table 6: sign accuracy of completed weights"
CAPTION = (
    "Share of pruned weights whose completed sign is right, among the share K with the largest completed magnitude "
    "(top) and among the rest; 0.5 is chance, K = 1 is every weight. Reads the base model, which no attacker has. "
    "Intervals take weights as independent, which weights of one layer are not: they are too narrow."
)
SOURCE = "Roots Beneath the Cut, Table 6"
REPORTED = "table6.csv"
COLUMNS = {
    "concept": "what was erased; 'all' pools the weights of all concepts of one kind",
    "published": "the published model",
    "completer": "the completer",
    "k": "share K of the completed weights, the largest first",
    "part": "top: these; rest: the others",
    "n": "weights",
    "accuracy": "share whose sign is right",
    "low": "lower limit of its Wilson interval",
    "high": "upper limit",
}
_PARTS = {"top": ("o", "the K largest"), "rest": ("s", "the rest")}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the signs of every completer on every published model of every concept."""
    return recovery_needs(audit, "signs")


def build(data: TableData) -> pd.DataFrame:
    """Pool the counts of all layers over the concepts."""
    from regrow.tables.pooling import ALL, concept_order, in_order
    from regrow.tables.recovery import sign_accuracy

    table = sign_accuracy(data.evaluation("signs"), data.kinds, data.level)
    return in_order(table[table["layer"] == ALL], concept=concept_order(data.kinds, ALL))[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw sign accuracy by K, a panel for each completer and one for the paper's."""
    from regrow.tables import style
    from regrow.tables.recovery import completers

    reported = data.reported()
    named = completers(table)
    count = len(named) + (reported is not None)
    figure, axes = style.panels(max(count, 1), 1.7)
    if not named:
        style.draw_empty(axes[0])
    for panel, (pair, name) in zip(axes, named.items(), strict=False):
        panel.set_title(name)
        _panel(panel, table[(table["published"] == pair[0]) & (table["completer"] == pair[1])])
    if reported is not None:
        panel = axes[count - 1]
        panel.set_title("reported (golf ball)")
        for (part, (marker, label)), colour in zip(_PARTS.items(), (style.BLUE, style.ORANGE), strict=True):
            rows = reported[reported["part"] == part]
            panel.plot(rows["k"], rows["accuracy"], color=colour, marker=marker, markersize=3, label=label)
    lowest = min([0.45, *table["low"]]) - 0.03
    for panel in axes:
        style.draw_chance(panel, left=True)
        panel.set(xlim=(0, 1.05), ylim=(lowest, 1.01), xlabel="K, share of weights")
    for panel in axes[::2]:
        panel.set_ylabel("sign accuracy")
    handles, labels = axes[count - 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return each completer's sign accuracy over all weights, the mean of the concepts."""
    from regrow.tables.pooling import pooled_rows

    single = table[(table["k"] == 1) & ~pooled_rows(table)]
    return {
        f"sign_accuracy_{published}_{completer}": round(float(rows["accuracy"].mean()), 6)
        for (published, completer), rows in single.groupby(["published", "completer"], sort=False)
    }


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show all concepts by K and every concept at K = 1, and what the paper prints."""
    from regrow.tables.blocks import BY_CONCEPT, Grid, Share, Text
    from regrow.tables.pooling import is_pooled
    from regrow.tables.recovery import completers
    from regrow.tables.reported import differences, same_classes

    reported = data.reported()
    named = completers(table)
    head = [f"{name}, {part}" for name in named.values() for part in ("the K largest", "the rest")]
    cells = {
        (row.concept, row.published, row.completer, row.k, row.part): Share(row.accuracy, row.low, row.high, digits=1)
        for row in each_line(table)
    }
    blocks: list[Block] = []
    # The paper's own class stands beside the paper's numbers.
    shown = [concept for concept in dict.fromkeys(table["concept"]) if is_pooled(concept)]
    for concept in [*shown, *same_classes(data.audit, reported)]:
        rows = [
            (f"{k:g}", [cells.get((concept, *pair, k, part)) for pair in named for part in _PARTS])
            for k in sorted(set(table["k"]))
        ]
        said = f"{concept} concepts" if concept in shown else concept
        blocks.append(Grid(f"This audit: sign accuracy by K, {said}.", "K", head, rows))
    rows = [
        (concept, [cells.get((concept, *pair, 1.0, "top")) for pair in named])
        for concept in dict.fromkeys(table["concept"])
    ]
    blocks.append(Grid("This audit: all completed weights (K = 1).", BY_CONCEPT, list(named.values()), rows))
    if reported is not None:
        printed = {(row.k, row.part): Share(row.accuracy) for row in each_line(reported)}
        rows = [(f"{k:g}", [printed.get((k, part)) for part in _PARTS]) for k in dict.fromkeys(reported["k"])]
        head = [label for _, label in _PARTS.values()]
        blocks.append(Grid(f"Reported: {SOURCE}, SD 1.5, golf ball.", "K", head, rows, reported=True))
        blocks.append(Text(differences(data.audit, "roots")))
    return blocks


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    from regrow.tables import style
    from regrow.tables.pooling import is_pooled

    for (part, (marker, label)), colour in zip(_PARTS.items(), (style.BLUE, style.ORANGE), strict=True):
        for concept, rows in table[table["part"] == part].groupby("concept", sort=False):
            if is_pooled(str(concept)):
                length = style.error_bars(rows["accuracy"], rows["low"], rows["high"])
                axes.errorbar(
                    rows["k"],
                    rows["accuracy"],
                    length,
                    color=colour,
                    marker=marker,
                    markersize=3,
                    capsize=1.5,
                    label=label,
                )
            else:
                axes.plot(rows["k"], rows["accuracy"], color=colour, linewidth=0.4, alpha=0.35)

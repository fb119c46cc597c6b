"""Sign accuracy by layer: the long form of Table 6, and where in the UNet an attacker guesses best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import recovery_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Sign accuracy by layer"
CAPTION = (
    "The long form of Table 6, per layer. The figure shows every layer in the order in which an image passes them, all "
    "concepts pooled: all completed weights above, the smallest K below. Layers differ: what is guessed badly in one "
    "is sure in another. Reads the base model, which no attacker has."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "completer": "the completer",
    "concept": "what was erased; 'all' pools the weights of all concepts of one kind",
    "layer": "the weight matrix; 'all' adds up the layers",
    "k": "share K of the layer's completed weights, the largest first",
    "part": "top: these; rest: the others",
    "n": "weights",
    "correct": "weights whose sign is right",
    "accuracy": "correct / n",
    "low": "lower limit of its Wilson interval, which takes weights as independent",
    "high": "upper limit",
    "without_sign": "pretrained weights that are exactly 0: no sign is right there, so they are not among the n",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the signs of every completer on every published model of every concept."""
    return recovery_needs(audit, "signs")


def build(data: TableData) -> pd.DataFrame:
    """Pool the counts over the concepts."""
    from regrow.tables.recovery import sign_accuracy

    return sign_accuracy(data.evaluation("signs"), data.kinds, data.level)[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw sign accuracy by layer, a look for each completer (and kind of concept)."""
    from regrow.tables import style
    from regrow.tables.pooling import ALL
    from regrow.tables.recovery import completers, of_pair, pooled_only

    pooled = pooled_only(table)
    rows = pooled[(pooled["layer"] != ALL) & (pooled["part"] == "top")]
    layers = sorted(set(rows["layer"]), key=style.layer_place)
    shares = sorted(set(rows["k"]))
    figure = style.figure(3.6, style.PAGE if len(layers) > 20 else style.COLUMN)
    axes = figure.subplots(2, 1, sharex=True)
    if not shares:
        style.draw_empty(axes[0])
    groups = {
        f"{name}{f', {concept}' if pooled['concept'].nunique() > 1 else ''}": part
        for pair, name in completers(rows).items()
        for concept, part in of_pair(rows, pair).groupby("concept", sort=False)
    }
    for panel, k in zip(axes, [shares[-1], shares[0]] if shares else [], strict=False):
        for number, (name, look) in enumerate(style.looks(groups).items()):
            found = groups[name][groups[name]["k"] == k]
            shift = 0.8 / max(len(groups), 2) * (number - (len(groups) - 1) / 2)
            at = [layers.index(layer) + shift for layer in found["layer"]]
            length = style.error_bars(found["accuracy"], found["low"], found["high"])
            panel.errorbar(
                at,
                found["accuracy"],
                length,
                linestyle="none",
                marker=look.marker,
                markersize=2.5,
                capsize=1,
                elinewidth=0.6,
                color=look.colour,
                label=name,
            )
        style.draw_chance(panel)
        panel.set_ylabel(f"sign accuracy, K = {k:g}")
        panel.set_ylim(bottom=min([0.45, *rows["low"]]) - 0.02)
    axes[1].set_xticks(range(len(layers)), [style.layer_heading(layer) for layer in layers], rotation=60, ha="right")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show all layers at K = 1, all concepts pooled."""
    from regrow.tables import style
    from regrow.tables.blocks import Grid, Share, Text
    from regrow.tables.pooling import ALL
    from regrow.tables.recovery import completers, pooled_only

    blocks: list[Block] = []
    whole = pooled_only(table)
    whole = whole[(whole["k"] == 1) & (whole["part"] == "top")]
    named = completers(whole)
    for concept, rows in whole.groupby("concept", sort=False):
        cells = {
            (row.layer, row.published, row.completer): Share(row.accuracy, row.low, row.high, digits=1)
            for row in each_line(rows)
        }
        size = rows.groupby("layer")["n"].max()
        layers = [*sorted(set(rows["layer"]) - {ALL}, key=style.layer_place), ALL]
        lines = [(layer, [int(size[layer]), *(cells.get((layer, *pair)) for pair in named)]) for layer in layers]
        head = ["weights", *named.values()]
        blocks.append(
            Grid(f"This audit: all completed weights (K = 1), {concept} concepts.", "Layer", head, lines, fold=True)
        )
    without = int(whole.loc[whole["layer"] == ALL, "without_sign"].max()) if len(whole) else 0
    if without:
        blocks.append(
            Text(
                f"{without} of the compared weights were exactly 0 before anything was erased. They have no sign and "
                "count in no share."
            )
        )
    return blocks

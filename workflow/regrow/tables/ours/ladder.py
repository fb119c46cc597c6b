"""The knowledge ladder: what an attack owes to knowing which weights were pruned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import ladder_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "What knowing the mask is worth"
CAPTION = (
    "Sign accuracy over all truly pruned weights by what the attacker knows of the mask. A weight that the attacker's "
    "mask misses, or that gets no guess, counts one half, as a coin would have it. No bar is no better than chance. "
    "Dots are single concepts. Reads the base model and the masks, which no attacker has."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "completer": "the completer",
    "concept": "what was erased; 'all' pools the weights of all concepts of one kind",
    "rung": "what the attacker knows of the mask",
    "note": "of which concept another mask is",
    "n": "weights that were truly pruned",
    "covered": "of these, weights that the attacker's mask holds",
    "guessed": "of these, weights that got a sign",
    "correct": "of these, weights whose sign is right",
    "coverage": "covered / n",
    "accuracy": "(correct + (n - guessed) / 2) / n",
    "low": "lower limit: Wilson's of the guessed signs, shrunk towards one half as the accuracy is",
    "high": "upper limit",
}
RUNGS = {
    "true_signs": "every pruned weight and its sign (the ceiling)",
    "signed_zeros": "the signs that the publisher's zeros still carry",
    "exact": "which weights are zero (what anyone sees)",
    "threshold": "only that small weights were pruned",
    "other_concept": "the mask of another concept",
    "random": "how many weights were pruned",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the rungs of every completer of the ladder on every published model of every concept."""
    return ladder_needs(audit)


def build(data: TableData) -> pd.DataFrame:
    """Pool the counts over the concepts."""
    from regrow.tables.recovery import ladder_rungs

    rungs = data.evaluation("ladder")
    order = list(dict.fromkeys(rungs["rung"]))
    return ladder_rungs(rungs, data.kinds, order, data.level)[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a bar per rung and completer from chance to its accuracy, all concepts pooled, and dots for single ones."""
    from textwrap import fill

    import numpy as np

    from regrow.tables import style
    from regrow.tables.pooling import is_pooled, pooled_rows
    from regrow.tables.recovery import completers, of_pair

    rungs = [rung for rung in [*RUNGS, *sorted(set(table["rung"]) - set(RUNGS))] if rung in set(table["rung"])]
    groups = {
        f"{name}{'' if concept == 'all' else f', {concept}'}": (of_pair(table, pair), concept)
        for pair, name in completers(table).items()
        for concept in dict.fromkeys(table["concept"])
        if is_pooled(concept)
    }
    width = 0.76 / max(len(groups), 1)
    figure = style.figure(0.7 + 0.42 * max(len(rungs), 2) * max(len(groups), 1) ** 0.5)
    axes = figure.subplots()
    if not groups:
        style.draw_empty(axes)
    for number, (name, look) in enumerate(style.looks(groups).items()):
        rows, pooled = groups[name]
        whole = rows[rows["concept"] == pooled]
        y = np.array([rungs.index(rung) for rung in whole["rung"]]) + (number - (len(groups) - 1) / 2) * width
        share = whole["accuracy"].to_numpy()
        # Bars start at chance: what is drawn is what knowledge adds to guessing.
        axes.barh(
            y, share - 0.5, width * 0.9, left=0.5, color=look.colour, hatch=look.hatch, edgecolor="white", label=name
        )
        length = style.error_bars(share, whole["low"], whole["high"])
        axes.errorbar(share, y, xerr=length, fmt="none", ecolor=style.INK, elinewidth=0.6, capsize=1)
        for height, line in zip(y, each_line(whole), strict=True):
            single = rows.loc[(rows["rung"] == line.rung) & ~pooled_rows(rows), "accuracy"]
            axes.plot(single, [height] * len(single), ".", color=style.INK, markersize=2)
            said = f"{100 * line.accuracy:.1f} %"
            said += "" if line.coverage == 1 else f", mask holds {100 * line.coverage:.0f} %"
            right = max([line.high, *single]) + 0.01
            inside = right > 0.75
            shade = {"color": "white", "bbox": {"color": look.colour, "pad": 0.6}} if inside else {"color": "black"}
            axes.text(0.51 if inside else right, height, said, va="center", fontsize=6, **shade)
    axes.axvline(0.5, color=style.GREY, linewidth=0.6)
    axes.set_yticks(range(len(rungs)), [fill(RUNGS.get(rung, rung), 22) for rung in rungs])
    axes.invert_yaxis()
    axes.set_xlim(min([0.48, *table["low"]]) - 0.01, 1.01)
    axes.set_xlabel("share of signs that are right, 0.5 = chance")
    if len(groups) > 1:
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the accuracy of every rung, all concepts pooled."""
    from regrow.tables.pooling import ALL
    from regrow.tables.recovery import pooled_only

    found = {}
    for row in each_line(pooled_only(table)):
        kind = row.concept.removeprefix(ALL).replace(" ", "_")
        found[f"ladder_{row.published}_{row.completer}_{row.rung}{kind}"] = row.accuracy
    return found


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the rungs, all concepts pooled."""
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.recovery import completers, of_pair, pooled_only

    blocks: list[Block] = []
    pooled = pooled_only(table)
    for pair, name in completers(pooled).items():
        for concept, rows in of_pair(pooled, pair).groupby("concept", sort=False):
            lines = [
                (RUNGS.get(row.rung, row.rung), [Share(row.coverage), Share(row.accuracy, row.low, row.high, digits=1)])
                for row in each_line(
                    rows.sort_values(
                        "rung", key=lambda column: column.map({rung: place for place, rung in enumerate(RUNGS)})
                    )
                )
            ]
            head = ["pruned weights in the mask", "sign right"]
            blocks.append(Grid(f"This audit: {name}, {concept} concepts.", "What the attacker knows", head, lines))
    return blocks

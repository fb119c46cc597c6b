"""What attackers recover who have to tell for themselves which weights were pruned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import inference_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Signs regained without being told the cut"
CAPTION = (
    "Share of signs that are right over all truly pruned weights, by what fills the cut and by how the attacker tells "
    "what was pruned. A weight that the attacker's mask misses counts one half, as a coin would have it. A defence "
    "that hides the cut leaves every attacker at one half. Reads the base model and the masks, which no attacker has."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "completer": "the completer, with its way to tell what was pruned",
    "concept": "what was erased; 'all' pools the weights of all concepts of one kind",
    "mask": "how it tells what was pruned",
    "n": "weights that were truly pruned",
    "covered": "of these, weights that the attacker's mask holds",
    "guessed": "of these, weights that got a sign",
    "correct": "of these, weights whose sign is right",
    "precision": "of the weights that the attacker takes for pruned, the share that is; empty where he finds none",
    "recall": "covered / n",
    "accuracy": "(correct + (n - guessed) / 2) / n",
    "low": "lower limit: Wilson's of the guessed signs, shrunk towards one half as the accuracy is",
    "high": "upper limit",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for what every completer of the audit's attacks found on every pruned model of every concept."""
    return inference_needs(audit)


def build(data: TableData) -> pd.DataFrame:
    """Pool the counts over the concepts."""
    from regrow.tables.intervals import rounded
    from regrow.tables.pooling import ALL, with_pooled
    from regrow.tables.recovery import ladder_rungs

    counts = data.evaluation("inference").assign(rung="inferred", note="")
    table = ladder_rungs(counts, data.kinds, ["inferred"], data.level).rename(columns={"coverage": "recall"})
    keys = ["published", "completer", "concept"]
    marked = with_pooled(counts, data.kinds, ALL).groupby(keys)[["taken", "right"]].sum()
    marked["precision"] = rounded(marked["right"] / marked["taken"])
    table = table.merge(marked["precision"].reset_index(), on=keys, how="left")
    completers = data.audit.params.complete_weights
    table["mask"] = [completers[name].get("mask") or "zeros" for name in table["completer"]]
    return table[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line per published model and a field per completer, with the share in it."""
    from regrow.tables import style
    from regrow.tables.grid import draw_grid
    from regrow.tables.pooling import is_pooled

    pooled = table[[is_pooled(concept) for concept in table["concept"]]]
    if pooled.empty:
        figure = style.figure(1.5)
        style.draw_empty(figure.subplots())
        return figure
    kinds = pooled["concept"].str.removeprefix("all").str.strip()
    models = pooled["published"].where(kinds == "", pooled["published"] + ", " + kinds)
    return draw_grid(pooled.assign(model=models), "completer", "accuracy", "share of signs that are right")


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the accuracy of every completer on every published model, all concepts pooled."""
    from regrow.tables.pooling import ALL
    from regrow.tables.recovery import pooled_only

    return {
        f"inferred_{row.published}_{row.completer}{row.concept.removeprefix(ALL).replace(' ', '_')}": row.accuracy
        for row in each_line(pooled_only(table))
    }


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every published model, all concepts pooled."""
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.recovery import pooled_only

    blocks: list[Block] = []
    head = ["tells by", "precision", "recall", "signs right"]
    for (published, concept), rows in pooled_only(table).groupby(["published", "concept"], sort=False):
        lines = [
            (
                row.completer,
                [
                    row.mask,
                    Share(row.precision) if row.precision == row.precision else None,  # NaN: found nothing
                    Share(row.recall),
                    Share(row.accuracy, row.low, row.high, digits=1),
                ],
            )
            for row in each_line(rows)
        ]
        blocks.append(Grid(f"{published}, {concept} concepts.", "Completer", head, lines, fold=True))
    return blocks

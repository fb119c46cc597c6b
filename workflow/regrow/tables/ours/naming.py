"""Which concept was erased? What the published model itself gives away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import word_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Which concept was erased?"
CAPTION = (
    "Rank of the erased concept among all words of its kind, by whether what a word excites more than others do is "
    "what was cut: 1 names it. It needs the published model, a list of words and a few calls of the UNet per word; no "
    "image, no CLIP, no base and no revived model. By chance the concept is first in one case of as many as there are "
    "words. Where several concepts are erased from one model only one of them can be first."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "concept": "what was erased",
    "published": "the published model",
    "mask": "how what was cut is told",
    "rank": "place of the concept among the words, 1 is first",
    "of": "words",
    "first": "the word in the first place",
    "right": "whether that is the concept",
    "ahead": "score of the concept, a correlation, less that of the best other word; below 0 where another is first",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the scores of all words on every pruned model of every concept."""
    return word_needs(audit)


def build(data: TableData) -> pd.DataFrame:
    """Find the concept's word among the others."""
    import pandas as pd

    scores, audit, found = data.evaluation("words"), data.audit, []
    for (published, completer, concept), rows in scores.groupby(["published", "completer", "concept"], sort=False):
        own = rows["word"] == audit.label(str(concept))
        ordered, score = rows.sort_values("score", ascending=False, kind="stable"), float(rows["score"][own].iloc[0])
        first = ordered["word"].iloc[0]
        found.append(
            {
                "concept": concept,
                "published": published,
                "mask": audit.params.complete_weights[str(completer)].get("mask") or "zeros",
                # A tie counts against whoever names.
                "rank": int((rows["score"] >= score).sum()),
                "of": len(rows),
                "first": first,
                "right": bool(first == audit.label(str(concept))),
                "ahead": round(score - float(rows["score"][~own].max()), 6),
            }
        )
    return pd.DataFrame(found, columns=list(COLUMNS))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the rank of every concept, a line per published model."""
    from regrow.tables import style

    figure = style.figure(2.2)
    axes = figure.subplots()
    if table.empty:
        style.draw_empty(axes, "no model was pruned in this audit")
        return figure
    models = table["published"] + ", " + table["mask"]
    names = list(dict.fromkeys(models))
    for y, name in enumerate(names):
        ranks = table["rank"][models == name]
        axes.plot(ranks, [y] * len(ranks), "o", markersize=4, alpha=0.5, color=style.BLUE)
    axes.axvline(5.5, color="grey", linewidth=0.5, linestyle=":")
    axes.set(xscale="log", xlim=(0.8, 1.2 * int(table["of"].max())), xlabel="rank of the erased concept (5 dotted)")
    axes.set_yticks(range(len(names)), [style.spoken(name) for name in names])
    axes.invert_yaxis()
    return figure


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the shares of concepts that are first and among the first five, of every published model."""
    found = {}
    for (published, mask), rows in table.groupby(["published", "mask"], sort=False):
        for top in (1, 5):
            found[f"named_top{top}_{published}_{mask}"] = round(float((rows["rank"] <= top).mean()), 6)
    return found


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every published model's shares, and what is named in the place of a concept."""
    from regrow.tables.blocks import Grid, Share

    lines = []
    for (published, mask), rows in table.groupby(["published", "mask"], sort=False):
        wrong = [f"{row.concept}: {row.first} (own rank {row.rank})" for row in each_line(rows) if not row.right]
        shares = [Share(float((rows["rank"] <= top).mean())) for top in (1, 5)]
        chance = f"1 of {int(rows['of'].max())}"
        lines.append((f"{published}, {mask}", [*shares, chance, "; ".join(wrong) or "none"]))
    head = ["named first", "among the first five", "chance to be first", "named in its place"]
    return [Grid("This audit.", "Published model, mask", head, lines)] if lines else []

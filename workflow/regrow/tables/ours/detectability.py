"""How easily the cut of a published model is found from its weights alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import detectability_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "How easily the cut is found"
CAPTION = (
    "Area under the ROC curve of detectors that see the published weights and nothing else: 0.5 is chance, 1 finds "
    "every pruned entry, column or row. A cut column is cut in nearly every row, so what hides entry by entry may show "
    "by columns. A defence hides the cut when its strongest detector is near 0.5. Means over the layers, and the layer "
    "where the detector is strongest. The publisher's mask judges; no attacker has it."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "concept": "what was erased; 'mean' is the plain mean over the concepts of one kind",
    "unit": "what is told apart: entry, column or row",
    "detector": "the score: small magnitude, norm, residual against the rest of the matrix, kurtosis, share in the "
    "leading directions; or a rule that infers a mask: zeros, mixture",
    "layers": "weight matrices of which something was pruned",
    "auroc": "mean over the layers of the area under the ROC curve; empty where all of a unit is pruned alike",
    "highest": "the same in the layer where it is highest",
    "precision": "of what the rule takes for pruned, the share that is; empty for a score",
    "recall": "of what is pruned, the share that the rule finds",
}
DETECTORS = {
    "magnitude": "small magnitude",
    "zeros": "exact zeros (rule)",
    "mixture": "two widths (rule)",
    "residual": "misfit to the rest",
    "norm": "norm",
    "kurtosis": "kurtosis",
    "leading": "leading directions",
}
UNITS = ("entry", "column", "row")


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the detectors of every published model that was pruned, of every concept."""
    return detectability_needs(audit, "detectors")


def build(data: TableData) -> pd.DataFrame:
    """Average the layers, then the concepts."""
    from regrow.tables.intervals import rounded
    from regrow.tables.pooling import MEAN, concept_order, in_order, with_pooled

    rows = data.evaluation("detectors")
    keys = ["published", "concept", "unit", "detector"]
    layers = rows.groupby(keys, sort=False).agg(
        layers=("layer", "nunique"),
        auroc=("auroc", "mean"),
        highest=("auroc", "max"),
        precision=("precision", "mean"),
        recall=("recall", "mean"),
    )
    groups = with_pooled(layers.reset_index(), data.kinds, MEAN).groupby(keys, sort=False)
    table = groups.mean(numeric_only=True)
    table["layers"] = groups["layers"].max()
    for column in ("auroc", "highest", "precision", "recall"):
        table[column] = rounded(table[column])
    return in_order(
        table.reset_index(),
        published=list(dict.fromkeys(rows["published"])),
        concept=concept_order(data.kinds, MEAN),
        unit=UNITS,
        detector=list(DETECTORS),
    )[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line per published model and a field per detector, with its area in it."""
    from regrow.tables import style
    from regrow.tables.grid import fill_grid, label_grid
    from regrow.tables.pooling import pooled_rows

    pooled = table[pooled_rows(table) & table["auroc"].notna()]
    if pooled.empty:
        figure = style.figure(1.5)
        style.draw_empty(figure.subplots(), "no model was pruned in this audit")
        return figure
    models = list(dict.fromkeys(_models(pooled)))
    figure = style.figure(1.1 + 0.17 * len(models))
    axes = figure.subplots()
    places = list(dict.fromkeys((row.unit, row.detector) for row in each_line(pooled)))
    grid = pooled.assign(model=_models(pooled)).pivot(index="model", columns=["unit", "detector"], values="auroc")
    values = grid.reindex(index=models, columns=places)
    fill_grid(axes, values)
    label_grid(axes, models, [DETECTORS[name] for _, name in places])
    for x, (before, after) in enumerate(zip(places, places[1:], strict=False)):
        if before[0] != after[0]:
            axes.axvline(x + 0.5, color="white", linewidth=2)
    units = [unit for unit, _ in places]
    for unit in dict.fromkeys(units):
        middle = units.index(unit) + (units.count(unit) - 1) / 2
        axes.text(middle, -0.7, f"by {unit}", ha="center", va="bottom", fontsize=7)
    return figure


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the strongest detector's area of every published model, by unit."""
    from regrow.tables.pooling import MEAN, pooled_rows

    strongest = (
        table[pooled_rows(table) & table["auroc"].notna()]
        .groupby(["published", "concept", "unit"], sort=False)["auroc"]
        .max()
    )
    return {
        f"detectability_{row.published}_{row.unit}{row.concept.removeprefix(MEAN).replace(' ', '_')}": row.auroc
        for row in each_line(strongest.reset_index())
    }


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every published model's detectors, the concepts averaged."""
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.pooling import pooled_rows

    blocks: list[Block] = []
    head = ["mean of layers", "strongest layer", "precision", "recall"]
    for (published, concept), rows in table[pooled_rows(table)].groupby(["published", "concept"], sort=False):
        lines = [
            (
                f"{DETECTORS[row.detector]}, by {row.unit}",
                [f"{row.auroc:.2f}", f"{row.highest:.2f}", *(_share(x, Share) for x in (row.precision, row.recall))],
            )
            for row in each_line(rows[rows["auroc"].notna()])
        ]
        blocks.append(Grid(f"{published}, {concept} of the concepts.", "Detector", head, lines, fold=True))
    return blocks


def _models(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the name of each row's model: the published one, and the kind of concepts where there are several."""
    kinds = rows["concept"].str.removeprefix("mean").str.strip()
    return rows["published"].where(kinds == "", rows["published"] + ", " + kinds)


def _share(value: float, share: type) -> object:
    return share(value) if value == value else None  # NaN of a score that infers no mask

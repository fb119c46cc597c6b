"""How much structure each layer has that a completer can exploit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from regrow.tables.lines import each_line
from regrow.tables.selection import spectrum_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Structure of each layer"
CAPTION = (
    "Singular values after scaling rows and columns alike, as multiples of the edge of noise: the largest singular "
    "value of the same entries in random places. What lies above the dotted line is structure that pruned weights can "
    "be guessed from: the less of the lines after pruning is above it, the less any completer can know. Shares are of "
    "the layer's variance. Reads the base model, which no attacker has."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "concept": "what was erased; 'all' is the plain mean over the concepts of one kind",
    "layer": "the weight matrix",
    "rows": "its rows",
    "columns": "its columns",
    "density": "share of it that was pruned",
    "effective_rank": "exp(entropy) of the squared singular values, before pruning",
    "effective_rank_pruned": "the same after pruning",
    "effective_rank_noise": "the same of the entries in random places",
    "above_edge": "share of the variance above the edge of noise, before pruning",
    "above_edge_pruned": "the same after pruning",
}
_MATRICES: dict[str, tuple[str, float, Any, str]] = {
    "permuted": ("#777777", 1.0, ":", "the same weights in random places"),
    "pruned": ("#D55E00", 0.4, "-", "after pruning, a line per concept"),
    "base": ("#0072B2", 1.0, "-", "before pruning"),
}
_MEANS = list(COLUMNS)[5:]


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the spectra of every published model that was pruned, of every concept."""
    return spectrum_needs(audit)


def build(data: TableData) -> pd.DataFrame:
    """Lay the three matrices of every layer side by side and average the concepts."""
    from regrow.tables.intervals import rounded
    from regrow.tables.pooling import ALL, concept_order, in_order, with_pooled

    spectra = data.evaluation("spectrum").drop(columns="singular_values")
    keys = ["published", "concept", "layer"]
    base, pruned, noise = (
        spectra[spectra["matrix"] == matrix].set_index(keys) for matrix in ("base", "pruned", "permuted")
    )
    table = base[["rows", "columns", "effective_rank", "above_edge"]].assign(
        density=pruned["density"],
        effective_rank_pruned=pruned["effective_rank"],
        effective_rank_noise=noise["effective_rank"],
        above_edge_pruned=pruned["above_edge"],
    )
    groups = with_pooled(table.reset_index(), data.kinds, ALL).groupby(keys)
    table = groups[["rows", "columns"]].first()
    for column in _MEANS:
        # Added one after the other, as the frozen record was: numpy's pairwise sum differs in the last digit.
        table[column] = rounded(groups[column].agg(lambda values: sum(values.tolist()) / len(values)))
    order = {"published": list(dict.fromkeys(spectra["published"])), "concept": concept_order(data.kinds, ALL)}
    return in_order(table.reset_index(), **order, layer=None)[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw singular values as multiples of the noise edge, a panel per layer (and published model)."""
    from matplotlib.lines import Line2D

    from regrow.tables import style

    if table.empty:
        figure = style.figure(1.5)
        style.draw_empty(figure.subplots(), "no model was pruned in this audit")
        return figure
    spectra = data.evaluation("spectrum")
    groups = {
        (published, layer): spectra[(spectra["published"] == published) & (spectra["layer"] == layer)]
        for published in dict.fromkeys(spectra["published"])
        for layer in sorted(set(spectra["layer"]), key=style.layer_place)
    }
    several = spectra["published"].nunique() > 1
    across = 4
    down = -(-len(groups) // across)
    figure = style.figure(0.8 + 1.4 * down, style.PAGE)
    panels = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
    for unused in panels[len(groups) :]:
        unused.set_axis_off()
    highest = 1.0
    for axes, ((published, layer), rows) in zip(panels, groups.items(), strict=False):
        highest = max(highest, _panel(axes, rows))
        axes.set_title(f"{style.layer_heading(layer)}{f', {published}' if several else ''}")
    panels[0].set_ylim(0, 1.05 * highest)
    figure.supxlabel("number of the singular value, the largest first", fontsize=7)
    figure.supylabel("size, 1 = edge of noise", fontsize=7)
    handles = [
        Line2D([], [], color=colour, linestyle=dash, label=label)
        for colour, _, dash, label in reversed(_MATRICES.values())
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every layer, averaged over the concepts."""
    from regrow.tables import style
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.pooling import is_pooled

    blocks: list[Block] = []
    for (published, concept), rows in table.groupby(["published", "concept"], sort=False):
        if is_pooled(str(concept)):
            lines = [
                (
                    row.layer,
                    [
                        f"{row.rows}x{row.columns}",
                        Share(row.density),
                        f"{row.effective_rank:.1f}",
                        f"{row.effective_rank_noise:.1f}",
                        Share(row.above_edge),
                        Share(row.above_edge_pruned),
                    ],
                )
                for row in sorted(each_line(rows), key=lambda row: style.layer_place(row.layer))
            ]
            head = ["shape", "pruned", "effective rank", "of noise", "above noise", "above noise after pruning"]
            blocks.append(Grid(f"This audit: {published}, {concept} concepts.", "Layer", head, lines, fold=True))
    return blocks


def _panel(axes: Axes, rows: pd.DataFrame) -> float:
    """Draw one layer and return the largest value drawn."""
    import numpy as np

    from regrow.tables import style

    highest = 0.0
    for matrix, (colour, width, dash, _) in _MATRICES.items():
        found = rows[rows["matrix"] == matrix]
        # The base is the same for every concept.
        for row in each_line(found if matrix == "pruned" else found.head(1)):
            values = np.asarray(row.singular_values) / (row.edge or 1.0)
            highest = max(highest, float(values.max()))
            axes.plot(np.arange(1, len(values) + 1), values, color=colour, linewidth=width, linestyle=dash)
    base, pruned = rows[rows["matrix"] == "base"].iloc[0], rows.loc[rows["matrix"] == "pruned", "above_edge"]
    axes.text(
        0.97,
        0.97,
        f"above noise: {100 * base['above_edge']:.0f} %\nafter pruning: {100 * pruned.mean():.0f} %",
        transform=axes.transAxes,
        va="top",
        ha="right",
        fontsize=6,
    )
    axes.axhline(1, color=style.GREY, linewidth=0.6, linestyle=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")  # a matrix of less than ten values would have all of them labelled
    return highest

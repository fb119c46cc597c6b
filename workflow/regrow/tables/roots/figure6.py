"""Figure 6: what noise in place of the pruned weights does to the erased concept and to the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.accuracy import COLUMNS as ACCURACY
from regrow.tables.lines import each_line
from regrow.tables.selection import accuracy_needs, labelled_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 6: erasing and preserving by the size of the noise"
CAPTION = (
    "Share of images in which the judge sees what was asked for, by the standard deviation of the Gaussian noise that "
    "fills the pruned weights, nobody attacking. The paper's figure says variance and its text standard deviation: a "
    "variance of 1e-2 is a standard deviation of 0.1. Left of the axis: the plain cut."
)
SOURCE = "Roots Beneath the Cut, Figure 6"
REPORTED = None
_HIDDEN = ("role", "attack")
COLUMNS = {
    **{name: said for name, said in ACCURACY.items() if name not in (*_HIDDEN, "prompt_set")},
    "std": "standard deviation of the noise, 0 for the plain cut",
    "unit": "absolute, or the root mean square of the observed entries of a layer or row",
    "prompt_set": ACCURACY["prompt_set"],
}


def noise_of(audit: Audit) -> dict[str, tuple[float, str]]:
    """Return std and unit of every published model that is plain or filled by an unbounded `gaussian`."""
    found = {}
    for published in audit.handed_out:
        defence = audit.params.publish_model[published].defence
        entry = audit.params.defend_model[defence] if defence else None
        if entry is None:
            found[published] = (0.0, "absolute")
        elif entry["method"] == "gaussian" and entry["bound"] == "none":
            found[published] = (float(entry["std"]), str(entry["unit"]))
    return found


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the plain and the filled models on all prompts with labels."""
    from regrow.plan.audit import ScoreNeed

    wanted = noise_of(audit)
    return [
        need
        for need in accuracy_needs(audit, labelled_sets(audit))
        if isinstance(need, ScoreNeed) and need.cell.model.attack == "none" and need.cell.model.published in wanted
    ]


def build(data: TableData) -> pd.DataFrame:
    """Count what the judges saw, by unit and rising std."""
    from regrow.tables.pooling import MEAN, concept_order, in_order

    noise = noise_of(data.audit)
    table = data.accuracy(labelled_sets(data.audit))
    table = table[(table["role"] == "erased") & table["published"].isin(list(noise))].copy()
    table["std"] = [noise[published][0] for published in table["published"]]
    table["unit"] = [noise[published][1] for published in table["published"]]
    order = {"concept": concept_order(data.kinds, MEAN), "prompt_set": labelled_sets(data.audit)}
    return in_order(table, **order, unit=None, std=None)[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw accuracy by std, a panel per unit, a line per prompt set, the concepts averaged."""
    from regrow.tables import style
    from regrow.tables.pooling import pooled_rows

    pooled = table[pooled_rows(table)]
    units = list(dict.fromkeys(pooled.loc[pooled["std"] > 0, "unit"]))
    figure, panels = style.panels(max(len(units), 1), 2.0)
    if not units:
        style.draw_empty(panels[0], "no model was filled with noise in this audit")
        return figure
    names = pooled["prompt_set"] + pooled["concept"].str.removeprefix("mean")
    looks = style.looks(names)
    for axes, unit in zip(panels, units, strict=True):
        filled = pooled[(pooled["unit"] == unit) & (pooled["std"] > 0)]
        plain = filled["std"].min() / 4  # where the plain cut is drawn, left of every noise
        for name, look in looks.items():
            own = pooled[names == name]
            rows = own[((own["unit"] == unit) & (own["std"] > 0)) | (own["std"] == 0)].sort_values("std")
            axes.errorbar(
                rows["std"].where(rows["std"] > 0, plain),
                rows["accuracy"],
                yerr=style.error_bars(rows["accuracy"], rows["low"], rows["high"]),
                color=look.colour,
                marker=look.marker,
                linestyle=look.dash,
                markersize=3,
                linewidth=0.8,
                elinewidth=0.6,
                capsize=1,
                label=name,
            )
        axes.axvline(plain * 2, color=style.GREY, linewidth=0.5)
        axes.set(xscale="log", ylim=(-0.03, 1.03), xlabel="std of the noise" + _scale(unit))
    panels[0].set_ylabel("judge sees what was asked for")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every noise, the concepts averaged."""
    from regrow.tables.blocks import Grid, Share
    from regrow.tables.pooling import pooled_rows

    sets = labelled_sets(data.audit)
    blocks: list[Block] = []
    for concept, rows in table[pooled_rows(table)].groupby("concept", sort=False):
        cells = {(row.published, row.prompt_set): Share(row.accuracy, row.low, row.high) for row in each_line(rows)}
        models = dict.fromkeys((row.published, row.std, row.unit) for row in each_line(rows))
        lines = [
            (f"{published}: {std:g}{_scale(unit)}", [cells.get((published, name)) for name in sets])
            for published, std, unit in models
        ]
        blocks.append(Grid(f"This audit: {concept} of the concepts.", "Published model, std", sets, lines))
    return blocks


def _scale(unit: str) -> str:
    return "" if unit == "absolute" else f", of the {unit}'s root mean square"

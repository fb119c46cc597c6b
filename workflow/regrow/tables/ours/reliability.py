"""Whether a completer knows how sure it is: predicted against observed sign accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.selection import recovery_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Predicted and observed sign accuracy"
CAPTION = (
    "Signs of pruned weights in bins of equal count by how sure the completer is of them, the least sure first. Dots "
    "on the dashed line: an attacker knows how far to trust each guess. Below it: too sure. Above it: too careful. A "
    "completer that only ranks predicts nothing. Reads the base model, which no attacker has."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "published": "the published model",
    "completer": "the completer",
    "concept": "what was erased; 'all' pools the weights of all concepts of one kind",
    "layer": "the weight matrix; 'all': the layers together",
    "bin": "number of the bin, 1 the least sure",
    "low": "smallest predicted accuracy of the bin; of a completer that only ranks, its share of the ranking",
    "high": "largest",
    "predicted": "mean predicted accuracy; empty where the completer only ranks",
    "n": "signs",
    "correct": "signs that are right",
    "accuracy": "correct / n",
    "accuracy_low": "lower limit of its Wilson interval, which takes weights as independent",
    "accuracy_high": "upper limit",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the bins of every completer on every published model of every concept."""
    return recovery_needs(audit, "reliability")


def build(data: TableData) -> pd.DataFrame:
    """Pool the bins over the concepts."""
    from regrow.tables.recovery import reliability_bins

    return reliability_bins(data.evaluation("reliability"), data.kinds, data.level)[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw observed sign accuracy by what was predicted, or by rank where nothing was, a panel for each completer."""
    from regrow.tables import style
    from regrow.tables.pooling import ALL
    from regrow.tables.recovery import completers, of_pair

    whole = table[table["layer"] == ALL]
    named = completers(whole)
    figure, axes = style.panels(max(len(named), 1), 1.85)
    if not named:
        style.draw_empty(axes[0])
    # The surest signs end the axis: the rest of the way to 1 would be empty. A bin of one sign may be right by luck.
    sure = whole.loc[whole["n"] > 1, ["accuracy_high", "predicted"]].to_numpy(dtype=float)
    highest = min(max([0.6, *sure[sure == sure].tolist()]) + 0.02, 1.01)
    for panel, (pair, name) in zip(axes, named.items(), strict=False):
        panel.set_title(name)
        _panel(panel, of_pair(whole, pair), highest)
        panel.set_ylim(min([0.47, *whole["accuracy_low"]]) - 0.01, highest)
    for panel in axes[::2]:
        panel.set_ylabel("observed accuracy")
    return figure


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the calibration error of every completer that predicts."""
    from regrow.tables.pooling import ALL
    from regrow.tables.recovery import calibration_errors

    return {
        f"calibration_error_{published}_{completer}{concept.removeprefix(ALL).replace(' ', '_')}": round(error, 6)
        for (published, completer, concept), error in calibration_errors(table).items()
    }


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Say how far predictions are off."""
    from regrow.tables.blocks import Grid, Text
    from regrow.tables.recovery import calibration_errors, completers

    named, errors = completers(table), calibration_errors(table)
    if not errors:
        return [Text("No completer of this audit predicts how probable its signs are: they only rank.")]
    rows = [
        (f"{named[published, completer]}, {concept} concepts", [f"{100 * error:.1f} points"])
        for (published, completer, concept), error in errors.items()
    ]
    return [
        Grid(
            "This audit: how far the share of right signs is from the predicted one, on average.",
            "Completer",
            ["off by"],
            rows,
        )
    ]


def _panel(axes: Axes, table: pd.DataFrame, highest: float) -> None:
    from regrow.tables import style
    from regrow.tables.pooling import is_pooled

    predicts = bool(table["predicted"].notna().all())
    if predicts:
        axes.plot([0.5, 1], [0.5, 1], color=style.GREY, linewidth=0.6, linestyle="--", label="as predicted")
        axes.legend(loc="upper left")
        axes.set_xlabel("predicted")
        axes.set_xlim(0.5 - 0.03 * (highest - 0.5), highest)
    else:
        axes.set_xlabel("rank of the guess, 1 = surest")
        axes.set_xlim(-0.02, 1.02)
    style.draw_chance(axes)
    for concept, rows in table.groupby("concept", sort=False):
        x = rows["predicted"] if predicts else (rows["low"] + rows["high"]) / 2
        if not is_pooled(str(concept)):
            axes.plot(x, rows["accuracy"], color=style.BLUE, linewidth=0.4, alpha=0.35)
            continue
        length = style.error_bars(rows["accuracy"], rows["accuracy_low"], rows["accuracy_high"])
        axes.errorbar(x, rows["accuracy"], length, color=style.BLUE, marker="o", markersize=3, capsize=1.5)

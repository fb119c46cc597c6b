"""Whether a completer knows how sure it is: predicted against observed sign accuracy, a panel for each completer."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from regrow.paper.both_sides import ALL
from regrow.paper.charts import BLUE, GREY, coin, nothing, panels, reach, title
from regrow.paper.recipes import completers
from regrow.paper.reliability import Reliability, calibration_error


def draw_reliability(lines: Sequence[Reliability], path: Path, dpi: int) -> None:
    """Draw observed sign accuracy by what was predicted, or by rank where nothing was, and write a PNG.

    Parameters
    ----------
    lines : sequence of Reliability
        All layers pooled are drawn; thick with intervals for all concepts, thin for single ones.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    whole = [line for line in lines if line.layer == ALL]
    named = completers(whole) or {("", ""): "This run"}
    with panels(path, len(named), 3.8, dpi) as (_, axes):
        lowest = min([0.47, *(line.accuracy_low for line in whole)]) - 0.01
        # No signs are surer than these; the rest of the way to 1 would be empty.
        sure = [max(line.accuracy_high, line.predicted or 0) for line in whole if line.n > 1]
        highest = min(max([0.6, *sure]) + 0.02, 1.01)
        for here, (pair, name) in zip(axes, named.items(), strict=True):
            title(here, name)
            _panel(here, [line for line in whole if (line.eraser, line.completer) == pair], highest)
            here.set_ylim(lowest, highest)
        axes[0].set_ylabel("observed: share of signs that are right")


def _panel(axes: Axes, lines: Sequence[Reliability], highest: float) -> None:
    if not lines:
        nothing(axes)
        return
    predicts = all(line.predicted is not None for line in lines)
    if predicts:
        axes.plot([0.5, 1], [0.5, 1], color=GREY, linewidth=0.8, linestyle="--", label="as predicted")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.93), fontsize=8, borderpad=0.2)
        axes.set_xlabel("predicted: how probable the sign was said to be")
        axes.set_xlim(0.5 - 0.03 * (highest - 0.5), highest)
    else:
        axes.set_xlabel("rank by size of the guess, 1 = surest")
        axes.set_xlim(-0.02, 1.02)
    coin(axes)
    for concept in dict.fromkeys(line.concept for line in lines):
        here = [line for line in lines if line.concept == concept]
        x = [(line.low + line.high) / 2 if line.predicted is None else line.predicted for line in here]
        share = [line.accuracy for line in here]
        if concept != ALL:
            axes.plot(x, share, color=BLUE, linewidth=0.6, alpha=0.35)
            continue
        length = reach(share, [line.accuracy_low for line in here], [line.accuracy_high for line in here])
        axes.errorbar(x, share, length, color=BLUE, marker="o", markersize=4, capsize=2)
        error = calibration_error(here)
        said = "ranks only, predicts nothing" if error is None else f"off by {100 * error:.1f} points on average"
        axes.text(0.03, 0.95, said, transform=axes.transAxes, va="center")

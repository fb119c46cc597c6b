"""Sign accuracy by K: ours on the left, the paper's Table 6 on the right."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from regrow.paper.both_sides import ALL
from regrow.paper.charts import chart
from regrow.paper.published import PublishedSigns
from regrow.paper.table6 import SignGroup

_PARTS = {"top": ("#0072B2", "o", "the K largest"), "rest": ("#D55E00", "s", "the rest")}


def draw_signs(ours: Sequence[SignGroup], published: Sequence[PublishedSigns], path: Path, dpi: int) -> None:
    """Draw sign accuracy of the largest completed weights and of the rest and write a PNG.

    Parameters
    ----------
    ours : sequence of SignGroup
        Table 6; thick lines are all concepts pooled with intervals, thin ones single concepts.
    published : sequence of PublishedSigns
        The paper's Table 6, in a panel of its own.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    with chart(path, 7.6, 3.4, dpi) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for concept in dict.fromkeys(line.concept for line in ours):
            for part in _PARTS:
                _line(
                    left,
                    [line for line in ours if (line.concept, line.part) == (concept, part)],
                    part,
                    pooled=concept == ALL,
                )
        for part, (colour, marker, name) in _PARTS.items():
            lines = [line for line in published if line.part == part]
            right.plot(
                [line.k for line in lines], [line.accuracy for line in lines], color=colour, marker=marker, label=name
            )
        if not ours:
            left.text(0.5, 0.75, "nothing was completed in this run", ha="center")
        for axes, title in ((left, "This run"), (right, "Published: SD v1.5, golf ball")):
            axes.set_title(title, loc="left", fontsize=10)
            axes.axhline(0.5, color="#777777", linewidth=0.8, linestyle=":")
            axes.text(0.02, 0.505, "a coin", color="#777777", va="bottom", fontsize=8)
            axes.set_xlabel("K, share of completed weights kept")
            axes.set_xlim(0, 1.05)
            axes.set_ylim(min([0.4, *(line.low for line in ours)]) - 0.05, 1)
        left.set_ylabel("sign accuracy")
        right.legend(frameon=False)


def _line(axes: Axes, lines: Sequence[SignGroup], part: str, pooled: bool) -> None:
    colour, marker, _ = _PARTS[part]
    k, accuracy = [line.k for line in lines], [line.accuracy for line in lines]
    if not pooled:
        axes.plot(k, accuracy, color=colour, linewidth=0.6, alpha=0.35)
        return
    reach = [
        [max(line.accuracy - line.low, 0) for line in lines],
        [max(line.high - line.accuracy, 0) for line in lines],
    ]
    axes.errorbar(k, accuracy, reach, color=colour, marker=marker, capsize=2)

"""Sign accuracy by K: a panel for each completer, then the paper's Table 6."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from regrow.paper.both_sides import ALL
from regrow.paper.charts import BLUE, ORANGE, coin, nothing, panels, reach, title
from regrow.paper.published import PublishedSigns
from regrow.paper.recipes import completers
from regrow.paper.signs import SignAccuracy

_PARTS = {"top": (BLUE, "o", "the K largest"), "rest": (ORANGE, "s", "the rest")}


def draw_signs(ours: Sequence[SignAccuracy], published: Sequence[PublishedSigns], path: Path, dpi: int) -> None:
    """Draw sign accuracy of the largest completed weights and of the rest and write a PNG.

    Parameters
    ----------
    ours : sequence of SignAccuracy
        Long table 6; thick lines are all concepts pooled with intervals, thin ones single concepts.
    published : sequence of PublishedSigns
        The paper's Table 6, in a panel of its own.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    whole = [line for line in ours if line.layer == ALL]
    named = completers(whole) or {("", ""): "nothing"}
    with panels(path, len(named) + 1, 3.5, dpi) as (_, axes):
        for here, (pair, name) in zip(axes, named.items(), strict=False):
            title(here, f"This run: {name}")
            _panel(here, [line for line in whole if (line.eraser, line.completer) == pair])
        theirs = axes[-1]
        title(theirs, "Published: SD v1.5, golf ball")
        for part, (colour, marker, label) in _PARTS.items():
            lines = [line for line in published if line.part == part]
            theirs.plot(
                [line.k for line in lines], [line.accuracy for line in lines], color=colour, marker=marker, label=label
            )
        theirs.legend(frameon=False)
        for here in axes:
            coin(here)
            here.set_xlabel("K, share of completed weights kept")
            here.set_xlim(0, 1.05)
            here.set_ylim(min([0.4, *(line.low for line in whole)]) - 0.05, 1.01)
        axes[0].set_ylabel("sign accuracy")


def _panel(axes: Axes, lines: Sequence[SignAccuracy]) -> None:
    if not lines:
        nothing(axes)
    for concept in dict.fromkeys(line.concept for line in lines):
        for part, (colour, marker, _) in _PARTS.items():
            here = [line for line in lines if (line.concept, line.part) == (concept, part)]
            k, share = [line.k for line in here], [line.accuracy for line in here]
            if concept == ALL:
                length = reach(share, [line.low for line in here], [line.high for line in here])
                axes.errorbar(k, share, length, color=colour, marker=marker, capsize=2)
            else:
                axes.plot(k, share, color=colour, linewidth=0.6, alpha=0.35)

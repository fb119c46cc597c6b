"""Heat map of Table 5: ours on the left, the paper's on the right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from regrow.paper.both_sides import ALL
from regrow.paper.charts import chart
from regrow.paper.published import PublishedAlignment
from regrow.paper.table5 import Alignment


def draw_alignment(ours: Sequence[Alignment], published: Sequence[PublishedAlignment], path: Path, dpi: int) -> None:
    """Draw the share of each completed group R that lies in each pretrained group P and write a PNG.

    Parameters
    ----------
    ours : sequence of Alignment
        Table 5; all concepts pooled are drawn.
    published : sequence of PublishedAlignment
        The paper's Table 5, in a panel of its own.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    with chart(path, 7.6, 3.7, dpi) as figure:
        left, right = figure.subplots(1, 2)
        _map(left, {(line.r, line.p): line.share for line in ours if line.concept == ALL}, "This run")
        _map(right, {(line.r, line.p): line.share for line in published}, "Published: SD v1.5, golf ball")


def _map(axes: Axes, shares: Mapping[tuple[int, int], float], title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[:].set_visible(False)
    if not shares:
        axes.text(0.5, 0.5, "nothing was completed in this run", ha="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    rows, columns = sorted({r for r, _ in shares}), sorted({p for _, p in shares})
    # A group without a weight has no share and stays white.
    values = np.array([[shares.get((r, p), np.nan) for p in columns] for r in rows])
    axes.imshow(values, cmap="Blues", vmin=0, vmax=0.6)
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.35 else "black")
    axes.set_xticks(range(len(columns)), [f"P{p}" for p in columns])
    axes.set_yticks(range(len(rows)), [f"R{r}" for r in rows])
    axes.set_xlabel("pretrained magnitude, P1 largest")
    axes.set_ylabel("completed magnitude, R1 largest")
    axes.tick_params(length=0)

"""Heat maps of Table 5: one for each completer, then the paper's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from regrow.paper.alignment import LayerAlignment
from regrow.paper.both_sides import ALL
from regrow.paper.charts import nothing, panels, title
from regrow.paper.published import PublishedAlignment
from regrow.paper.recipes import completers


def draw_alignment(
    ours: Sequence[LayerAlignment], published: Sequence[PublishedAlignment], path: Path, dpi: int
) -> None:
    """Draw the share of each completed group R that lies in each pretrained group P and write a PNG.

    Parameters
    ----------
    ours : sequence of LayerAlignment
        Long table 5; all concepts and layers pooled are drawn.
    published : sequence of PublishedAlignment
        The paper's Table 5, in a panel of its own.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    whole = [line for line in ours if line.concept == line.layer == ALL]
    named = completers(whole) or {("", ""): "nothing"}
    with panels(path, len(named) + 1, 3.8, dpi, sharey=False) as (_, axes):
        for here, (pair, name) in zip(axes, named.items(), strict=False):
            _map(
                here,
                {(line.r, line.p): line.share for line in whole if (line.eraser, line.completer) == pair},
                f"This run: {name}",
            )
        _map(axes[-1], {(line.r, line.p): line.share for line in published}, "Published: SD v1.5, golf ball")


def _map(axes: Axes, shares: Mapping[tuple[int, int], float], name: str) -> None:
    title(axes, name)
    axes.spines[:].set_visible(False)
    if not shares:
        nothing(axes)
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

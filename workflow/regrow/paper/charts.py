"""What all charts share: plain style, colours, the same bytes from the same numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regrow.files import write_then_rename

# Okabe and Ito's colours, told apart with any kind of colour vision; recipes beyond them start again.
COLOURS = ("#999999", "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#F0E442", "#000000")
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"
_ABREAST = 3  # panels in a row


@contextmanager
def chart(path: Path, width: float, height: float, dpi: int) -> Iterator[Figure]:
    """Draw on a figure of `width` x `height` inches and write it to `path` as a PNG without dates.

    The user's matplotlib settings and the pyplot state are left alone.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        write_then_rename(
            path,
            lambda temporary: figure.savefig(
                temporary, format="png", dpi=dpi, facecolor="white", metadata={"Software": None}
            ),
        )


@contextmanager
def panels(path: Path, count: int, side: float, dpi: int, sharey: bool = True) -> Iterator[tuple[Figure, list[Axes]]]:
    """Draw on `count` panels of `side` inches, at most three in a row; see `chart`."""
    across = min(count, _ABREAST)
    down = -(-count // across)
    with chart(path, max(side * across, 3.8), side * down * 0.92, dpi) as figure:
        axes = list(figure.subplots(down, across, sharey=sharey, squeeze=False).flat)
        for unused in axes[count:]:
            unused.set_axis_off()
        yield figure, axes[:count]


def title(axes: Axes, text: str) -> None:
    """Write a panel's title on its left."""
    axes.set_title(text, loc="left", fontsize=10)


def coin(axes: Axes) -> None:
    """Draw the line of guessing blindly, at one half."""
    axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.annotate(
        "a coin", (0.99, 0.5), xycoords=axes.get_yaxis_transform(), color=GREY, va="top", ha="right", fontsize=8
    )


def nothing(axes: Axes) -> None:
    """Say that there is nothing to draw."""
    axes.text(0.5, 0.6, "nothing was completed in this run", ha="center", transform=axes.transAxes)


def reach(shares: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> np.ndarray:
    """Return the lengths of error bars, (2, n); rounding to six digits may leave -1e-7 at 0 and 1."""
    return np.clip([np.subtract(shares, lows), np.subtract(highs, shares)], 0, None)

"""What all charts share: plain style, colours, the same bytes from the same numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from regrow.files import write_then_rename

# Okabe and Ito's colours, told apart with any kind of colour vision; recipes beyond them start again.
COLOURS = ("#999999", "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#F0E442")


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

"""The one style sheet of all figures: readable in one column, told apart without colour, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

COLUMN, PAGE = 3.4, 7.0  # inches: one column of a two-column paper, and both
# Okabe and Ito's colours, told apart with any kind of colour vision, and a grey that is no pink without green.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#666666")
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#777777", "#222222"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 7 and 8 share no factor: 56 looks before one comes again
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\", "++++")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 2)))
_SHEET: Any = {
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # fonts are embedded as TrueType, which every publisher takes
}


@dataclass(frozen=True)
class Look:
    """How one of several things is drawn; no two share a colour and a marker, hatch or dash."""

    colour: str
    marker: str
    hatch: str
    dash: Any


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return a look for each name: neighbours differ in colour and in form, and 56 looks differ in one of the two."""
    return {
        name: Look(
            COLOURS[number % len(COLOURS)],
            MARKERS[number % len(MARKERS)],
            HATCHES[number % len(HATCHES)],
            DASHES[number % len(DASHES)],
        )
        for number, name in enumerate(dict.fromkeys(names))
    }


@contextmanager
def sheet() -> Iterator[None]:
    """Draw and save in our style; the user's matplotlib settings and the pyplot state are left alone."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SHEET)
        yield


def figure(height: float, width: float = COLUMN) -> Figure:
    """Return an empty figure of `width` x `height` inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def panels(count: int, side: float, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels of `side` inches height, two in a row of one column."""
    across = min(count, 2)
    down = -(-count // across)
    made = figure(side * down)
    axes = list(made.subplots(down, across, sharey=sharey, squeeze=False).flat)
    for unused in axes[count:]:
        unused.set_axis_off()
    return made, axes[:count]


def save(drawn: Figure | Image.Image, png: Path, pdf: Path, dpi: int) -> None:
    """Write a figure as PNG and as vector PDF, without date, program or path, so that equal figures are equal bytes."""
    from matplotlib.figure import Figure

    from regrow.io.files import write_then_rename

    if not isinstance(drawn, Figure):
        image = drawn
        write_then_rename(png, lambda path: image.save(path, format="PNG", optimize=True))
        drawn = _framed(image, dpi)
    else:
        plot = drawn
        write_then_rename(
            png,
            lambda path: plot.savefig(path, format="png", dpi=dpi, facecolor="white", metadata={"Software": None}),
        )
        plot.set_layout_engine("none")  # the PDF's axes stay where they are, and nobody looks for their places twice
    page = drawn
    nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
    write_then_rename(pdf, lambda path: page.savefig(path, format="pdf", dpi=dpi, metadata=nothing))


def _framed(image: Image.Image, dpi: int) -> Figure:
    """Return a picture as a page of its own size, pixel by pixel: a PDF made by the picture library would be a JPEG."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(image.width / dpi, image.height / dpi))
    page.set_layout_engine("none")
    axes = page.add_axes((0, 0, 1, 1))
    axes.imshow(image, interpolation="none", aspect="auto")
    axes.set_axis_off()
    return page


def draw_chance(axes: Axes, left: bool = False) -> None:
    """Draw the line of guessing signs blindly, at one half, and name it where the panel is empty."""
    axes.axhline(0.5, color=GREY, linewidth=0.6, linestyle=":")
    at, side = (0.02, "left") if left else (0.99, "right")
    axes.annotate("chance", (at, 0.5), xycoords=axes.get_yaxis_transform(), color=GREY, va="top", ha=side, fontsize=6)


def draw_empty(axes: Axes, said: str = "nothing was completed in this audit") -> None:
    """Say that there is nothing to draw."""
    axes.text(0.5, 0.6, said, ha="center", transform=axes.transAxes)


def error_bars(shares: Any, lows: Any, highs: Any) -> np.ndarray:
    """Return the lengths of error bars, (2, n); rounding to six digits may leave -1e-7 at 0 and 1."""
    import numpy as np

    return np.clip([np.subtract(shares, lows), np.subtract(highs, shares)], 0, None)


def spoken(name: str) -> str:
    """Return a name as it is said: ``spider-web`` is "spider web"."""
    return name.replace("-", " ").replace("_", " ")


def layer_heading(layer: str) -> str:
    """Return a layer's place in the UNet: ``down_blocks.0.attentions.1.transformer...`` is "down 0.1"."""
    block, *rest = layer.removeprefix("unet.").partition(".transformer_blocks")[0].split(".")
    numbers = ".".join(part for part in rest if part.isdigit())
    return f"{block.partition('_')[0]} {numbers}".strip()


def layer_place(layer: str) -> tuple[int, str]:
    """Sort layers as an image passes them: down, mid, up."""
    name = layer.removeprefix("unet.")
    return next((place for place, part in enumerate(("down", "mid", "up")) if name.startswith(part)), 3), name

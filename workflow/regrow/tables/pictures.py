"""Frame generated images for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

SIDE = 96  # pixels of a picture in a figure that shows many
FRAME = 6  # pixels of its frame
BORDER = 2 * FRAME + 2  # with one white pixel on each side of the picture
TILE = SIDE + BORDER
GAP = 4  # pixels between pictures
SEEN, UNSEEN = (0, 114, 178), (205, 205, 205)  # frame colours: the judge sees the concept, or not


@dataclass(frozen=True)
class Picture:
    """One generated image and whether the judge's first answer is the concept."""

    image: Image.Image
    seen: bool


def tile(picture: Picture, side: int = SIDE) -> Image.Image:
    """Frame a picture of `side` pixels; small images are enlarged pixel by pixel, large ones made smaller."""
    from PIL import Image

    small, whole = max(picture.image.size) < side, side + BORDER
    resized = picture.image.resize((side, side), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
    framed = Image.new("RGB", (whole, whole), SEEN if picture.seen else UNSEEN)
    framed.paste((255, 255, 255), (FRAME, FRAME, whole - FRAME, whole - FRAME))
    framed.paste(resized, (FRAME + 1, FRAME + 1))
    return framed


def mosaic(pictures: Sequence[Picture], per_row: int, side: int = SIDE) -> Image.Image:
    """Lay pictures of `side` pixels out in rows, on white, `GAP` pixels apart."""
    from PIL import Image

    rows, step = -(-len(pictures) // per_row), side + BORDER + GAP
    canvas = Image.new("RGB", (per_row * step - GAP, rows * step - GAP), "white")
    for number, picture in enumerate(pictures):
        canvas.paste(tile(picture, side), (number % per_row * step, number // per_row * step))
    return canvas


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that comes with matplotlib, so that figures are the same on every machine."""
    from pathlib import Path

    from matplotlib import get_data_path
    from PIL import ImageFont

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)

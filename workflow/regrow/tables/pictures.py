"""Frame generated images for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

SIDE = 96  # pixels of a picture in a figure
FRAME = 6  # pixels of its frame
TILE = SIDE + 2 * FRAME + 2  # with one white pixel on each side of the picture
GAP = 4  # pixels between pictures
SEEN, UNSEEN = (0, 114, 178), (205, 205, 205)  # frame colours: the judge sees the concept, or not


@dataclass(frozen=True)
class Picture:
    """One generated image and whether the judge's first answer is the concept."""

    image: Image.Image
    seen: bool


def tile(picture: Picture) -> Image.Image:
    """Frame a picture at a side of `TILE` pixels; small images are enlarged pixel by pixel, large ones made smaller."""
    from PIL import Image

    small = max(picture.image.size) < SIDE
    resized = picture.image.resize((SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
    framed = Image.new("RGB", (TILE, TILE), SEEN if picture.seen else UNSEEN)
    framed.paste((255, 255, 255), (FRAME, FRAME, TILE - FRAME, TILE - FRAME))
    framed.paste(resized, (FRAME + 1, FRAME + 1))
    return framed


def mosaic(pictures: Sequence[Picture], per_row: int) -> Image.Image:
    """Lay pictures out in rows, on white, `GAP` pixels apart."""
    from PIL import Image

    rows = -(-len(pictures) // per_row)
    canvas = Image.new("RGB", (per_row * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP), "white")
    for number, picture in enumerate(pictures):
        canvas.paste(tile(picture), (number % per_row * (TILE + GAP), number // per_row * (TILE + GAP)))
    return canvas


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that comes with matplotlib, so that figures are the same on every machine."""
    from pathlib import Path

    from matplotlib import get_data_path
    from PIL import ImageFont

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)

"""The image grid of Fig. 5: concepts down, recipes across, the same seeds in every column."""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw

from regrow.paper.pictures import GAP, TILE, Picture, font, mosaic, save_picture
from regrow.paper.recipes import heading
from regrow.paper.verdict import spoken

_MARGIN = 24  # pixels between cells and around the grid


def draw_grid(
    cells: Mapping[tuple[str, str], Sequence[Picture]], concepts: Sequence[str], recipes: Sequence[str], path: Path
) -> None:
    """Draw all pictures with headings and write a PNG.

    Parameters
    ----------
    cells : mapping
        (concept, recipe) to its pictures, as many in each cell.
    concepts, recipes : sequence of str
        Rows and columns in order.
    path : Path
        PNG to write.
    """
    count = max(len(pictures) for pictures in cells.values())
    per_row = ceil(sqrt(count))
    width = per_row * (TILE + GAP) - GAP
    height = ceil(count / per_row) * (TILE + GAP) - GAP
    names = font(22)
    left = _MARGIN * 2 + int(max(names.getlength(spoken(concept)) for concept in concepts))
    top = _MARGIN * 3
    canvas = Image.new(
        "RGB",
        (left + len(recipes) * (width + _MARGIN), top + len(concepts) * (height + _MARGIN) + 2 * _MARGIN),
        "white",
    )
    pen = ImageDraw.Draw(canvas)
    for column, recipe in enumerate(recipes):
        x = left + column * (width + _MARGIN)
        fitting = next(
            (size for size in range(22, 10, -1) if font(size, bold=True).getlength(heading(recipe)) <= width), 10
        )
        pen.text((x + width / 2, top - _MARGIN), heading(recipe), "black", font(fitting, bold=True), anchor="ms")
        for row, concept in enumerate(concepts):
            canvas.paste(mosaic(cells[concept, recipe], per_row), (x, top + row * (height + _MARGIN)))
    for row, concept in enumerate(concepts):
        pen.text(
            (left - _MARGIN, top + row * (height + _MARGIN) + height / 2), spoken(concept), "black", names, anchor="rm"
        )
    legend = f"blue frame: the judge sees the concept · the first {count} seeds, the same in every column, none chosen"
    pen.text((_MARGIN, canvas.height - _MARGIN), legend, "black", font(18), anchor="ls")
    save_picture(canvas, path)

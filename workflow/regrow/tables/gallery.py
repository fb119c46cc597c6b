"""Figures of generated images: which ones are shown, so that none is chosen by its look, and how they are laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables.accuracy import ADDRESS
from regrow.tables.lines import each_line

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.tables.data import FigureData

FIRST = 12  # images of a cell that a table lists; a figure shows as many of them as make_figure.columns says
COLUMNS = {
    "concept": "what was erased",
    "role": "pretrained, control, erased, attacked or oracle",
    "published": "the published model",
    "attack": "the attack or the oracle",
    "prompt_set": "what was asked for",
    "position": "number of the picture in its cell, from 1: the first distinct rows",
    "case": "row of the prompt file",
    "prompt": "the prompt",
    "seed": "the seed",
    "digest": "SHA-256 of the PNG file",
    "seen": "whether the judge's first answer is the label",
}
_LARGE = 288  # pixels of a picture's side where a cell has one alone


def first_images(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first `FIRST` distinct images of every cell, cells in the order of their rows.

    Parameters
    ----------
    rows : DataFrame
        One line per image: the address, `case`, `prompt`, `seed`, `digest` and `correct`.
    """
    distinct = rows.drop_duplicates([*ADDRESS, "prompt", "seed"])
    place = distinct.groupby(ADDRESS).cumcount() + 1
    shown = distinct.assign(position=place, seen=distinct["correct"])[place <= FIRST]
    return shown.reset_index(drop=True)[list(COLUMNS)]


def draw_gallery(table: pd.DataFrame, data: FigureData, line: str = "concept", names: float = 0.75) -> Figure:
    """Draw pictures with headings, models across, in every cell as many as the table has for it.

    Parameters
    ----------
    table : DataFrame
        Pictures of `first_images`, of which all are shown; none leaves a sentence.
    data : FigureData
        Has the pictures.
    line : str
        The column whose values are the figure's lines, each with its name on the left.
    names : float
        Inches for these names.
    """
    import math
    from textwrap import fill

    import numpy as np

    from regrow.tables import style
    from regrow.tables.pictures import SIDE, Picture, mosaic

    if not len(table):
        figure = style.figure(1, style.PAGE)
        axes = figure.subplots()
        axes.set_axis_off()
        style.draw_empty(axes, "the audit counts too few images to show any here")
        return figure
    images = data.pictures(table["digest"])
    models = list(dict.fromkeys(zip(table["role"], table["published"], table["attack"], strict=True)))
    lines = list(dict.fromkeys(table[line]))
    keys = ["role", "published", "attack", line]
    count = int(table.groupby(keys).size().max())
    per_row, side = math.ceil(math.sqrt(count)), _LARGE if count == 1 else SIDE
    # As wide as a page with as many columns as there are models; every cell keeps the shape of its pictures.
    heads, edge = 0.55, 0.05  # inches for models above, and behind the last
    cell = (style.PAGE - names - edge) / max(len(models), 3)
    height = heads + cell * math.ceil(count / per_row) / per_row * len(lines)
    figure = style.figure(height, style.PAGE)
    # Places are known; finding them for hundreds of axes takes a quarter of a minute.
    figure.set_layout_engine("none")
    right = (names + cell * len(models)) / style.PAGE
    frame = {"left": names / style.PAGE, "right": right, "top": 1 - heads / height, "bottom": edge / height}
    grid = figure.subplots(len(lines), len(models), squeeze=False, gridspec_kw={**frame, "wspace": 0.1, "hspace": 0.1})
    cells = dict(iter(table.groupby(keys, sort=False)))
    for (row, column), axes in np.ndenumerate(grid):
        here = cells.get((*models[column], lines[row]))
        if here is not None:
            pictures = [Picture(images[one.digest], bool(one.seen)) for one in each_line(here)]
            axes.imshow(mosaic(pictures, per_row, side), interpolation="antialiased")
        axes.spines[:].set_visible(False)
        axes.set(xticks=[], yticks=[])
        if row == 0:
            words = style.spoken(data.label(*models[column]))
            axes.set_title(fill(words, max(8, int(18 * cell)), break_long_words=False), fontsize=6, loc="center")
        if column == 0:
            name = fill(style.spoken(lines[row]), int(16 * names))
            axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=6.5)
    return figure

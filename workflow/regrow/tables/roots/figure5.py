"""Figure 5: images of every concept from every model, the same prompts and seeds in every column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.gallery import COLUMNS as COLUMNS
from regrow.tables.lines import each_line
from regrow.tables.selection import accuracy_needs, concept_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 5: images of every model"
CAPTION = (
    "Concepts down, models across. The pictures are the first seeds, the same prompts and seeds in every column; none "
    "is chosen. A blue frame: the judge sees the concept."
)
SOURCE = "Roots Beneath the Cut, Figure 5"
REPORTED = None


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the images and scores of every model on the prompts of the erased concept."""
    return accuracy_needs(audit, concept_sets(audit), oracles=True, images=True)


def build(data: TableData) -> pd.DataFrame:
    """List the first distinct images of every cell."""
    from regrow.tables.gallery import first_images

    return first_images(data.judged(concept_sets(data.audit)))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the pictures with headings."""
    import math
    from textwrap import fill

    import numpy as np

    from regrow.tables import style
    from regrow.tables.pictures import GAP, TILE, Picture, mosaic

    shown = table[table["position"] <= data.columns]
    images = data.pictures(shown["digest"])
    models = list(dict.fromkeys(zip(shown["role"], shown["published"], shown["attack"], strict=True)))
    concepts = list(dict.fromkeys(shown["concept"]))
    count = int(shown["position"].max()) if len(shown) else 1
    per_row = math.ceil(math.sqrt(count))
    side = (per_row * (TILE + GAP), math.ceil(count / per_row) * (TILE + GAP))
    # As wide as a page with as many columns as there are models; every cell keeps the shape of its pictures.
    names, heads = 0.75, 0.55  # inches for concepts on the left and models above
    cell = (style.PAGE - names) / max(len(models), 3)
    row_height = cell * side[1] / side[0]
    height = heads + row_height * len(concepts)
    figure = style.figure(height, style.PAGE)
    # Places are known; finding them for hundreds of axes takes a quarter of a minute.
    figure.set_layout_engine("none")
    right = (names + cell * len(models)) / style.PAGE
    frame = {"left": names / style.PAGE, "right": right, "top": 1 - heads / height, "bottom": 0.05 / height}
    grid = figure.subplots(
        len(concepts), len(models), squeeze=False, gridspec_kw={**frame, "wspace": 0.1, "hspace": 0.1}
    )
    for (row, column), axes in np.ndenumerate(grid):
        role, published, attack = models[column]
        here = shown[
            (shown["concept"] == concepts[row])
            & (shown["role"] == role)
            & (shown["published"] == published)
            & (shown["attack"] == attack)
        ]
        if len(here):
            pictures = [Picture(images[line.digest], bool(line.seen)) for line in each_line(here)]
            axes.imshow(mosaic(pictures, per_row), interpolation="antialiased")
        axes.spines[:].set_visible(False)
        axes.set(xticks=[], yticks=[])
        if row == 0:
            words = style.spoken(data.label(*models[column]))
            axes.set_title(fill(words, max(8, int(18 * cell)), break_long_words=False), fontsize=6, loc="center")
        if column == 0:
            name = fill(style.spoken(concepts[row]), 12)
            axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=6.5)
    return figure


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the figure alone: the table is a list of digests."""
    return []

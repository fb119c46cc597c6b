"""Which images a figure shows: the first distinct ones of every cell, so that none is chosen by its look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables.accuracy import ADDRESS

if TYPE_CHECKING:
    import pandas as pd

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

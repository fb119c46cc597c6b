"""What Figures 9 to 11 have in common: works in erased and revived styles, a line of pictures each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regrow.tables.style_pictures import COLUMNS as COLUMNS
from regrow.tables.style_pictures import FRAMES, style_rows
from regrow.tables.style_pictures import needs as needs
from regrow.tables.style_pictures import section as section

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.tables.data import FigureData, TableData

CAPTION = (
    "Works down, models across, the same prompt and seed in every column. They are the works that the paper shows; of "
    f"a style that has no prompt for them, the first two prompts of its list, so that none is chosen. {FRAMES}"
)


def works(data: TableData, shown: Sequence[str]) -> pd.DataFrame:
    """List one image per work and cell: of each style, the works that are named and that it has prompts for.

    Of a style that has none of them, as many prompts as a figure of the paper shows of one: the first two. Of equal
    prompts the first row.

    Parameters
    ----------
    data : TableData
        The audit's.
    shown : sequence of str
        With which prompts such as "The Starry Night by Vincent van Gogh" begin.
    """
    from regrow.tables.accuracy import ADDRESS
    from regrow.tables.gallery import first_images

    wanted = [title_of(title) for title in shown]
    once = style_rows(data).drop_duplicates([*ADDRESS, "prompt"])
    keep: list[int] = []
    for _, own in once.groupby(ADDRESS, sort=False):
        titles = own["prompt"].map(title_of)
        named = own[titles.isin(wanted) & ~titles.duplicated()]  # the papers' file has a work with "The" and without
        keep.extend((named if len(named) else own.head(2)).index)
    return first_images(once.loc[keep])


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line of pictures per work."""
    from regrow.tables.gallery import draw_gallery

    return draw_gallery(table, data, line="prompt", names=1.2)


def title_of(prompt: str) -> str:
    """Return the work that a prompt such as "The Starry Night by Vincent van Gogh" names, without its article."""
    from regrow.images.csv_rows import same_text

    return same_text(prompt.partition(" by ")[0]).removeprefix("the ")

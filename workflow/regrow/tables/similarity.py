"""CLIP similarity and CLIP score of cells, from the similarity of every row; equal rows are one image."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.tables.accuracy import ADDRESS
from regrow.tables.intervals import rounded, wilson

if TYPE_CHECKING:
    import pandas as pd

IMAGE = ["owner", "prompt", "seed"]  # of one model: images of two models are two, whatever they were asked for


def with_below(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with `below`: whether the similarity is strictly below that of the pretrained model's image.

    CLIP score of Roots Beneath the Cut and ConceptPrune, there also "accuracy" (*faithful*: `methods.md` 5.2). The two
    images are those of one case: of the same row of the prompt set. The pretrained model's own are never below.

    Parameters
    ----------
    rows : DataFrame
        The address, `case` and `similarity`, the pretrained model's rows among them.

    Raises
    ------
    UserError
        A case that the pretrained model, or another one, has no image of.
    """
    keys = ["concept", "prompt_set", "case"]
    pretrained = rows[rows["role"] == "pretrained"].set_index(keys)["similarity"]
    # Nothing else would tell which of two images is meant.
    assert pretrained.index.is_unique
    wanted = set(pretrained.index)
    for address, own in rows.groupby(ADDRESS, sort=False):
        found = set(zip(*(own[key] for key in keys), strict=True))
        here = {key for key in wanted if key[:2] == (own["concept"].iloc[0], own["prompt_set"].iloc[0])}
        if odd := sorted(found ^ here):
            who = "the pretrained model" if odd[0] in found else "it"
            raise UserError(
                f"{' / '.join(map(str, address))} is compared with the pretrained model image by image, but of case "
                f"{odd[0][2]} there is no image by {who}: draw and judge both again"
            )
    before = pretrained.reindex([*zip(*(rows[key] for key in keys), strict=True)]).to_numpy()
    return rows.assign(below=rows["similarity"].to_numpy() < before)


def similarities(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return a line per cell: rows, distinct images, mean similarity and, where rows say `below`, the score.

    Mean and score are over the rows, as the papers' are; equal rows are one image and tell nothing new, so intervals
    stand around them with the width that the distinct images give.

    Parameters
    ----------
    rows : DataFrame
        The address, `owner` (which model drew it), prompt, seed and `similarity`.
    level : float
        Of the intervals: normal for the mean, Wilson's for the score.
    """
    cells = rows.groupby(ADDRESS, sort=False)
    distinct = rows.drop_duplicates([*ADDRESS, *IMAGE]).groupby(ADDRESS, sort=False)
    table = cells.size().to_frame("n")
    table["n_distinct"] = distinct.size()
    mean, spread = cells["similarity"].mean(), distinct["similarity"].std()
    reach = NormalDist().inv_cdf((1 + level) / 2) * spread / table["n_distinct"] ** 0.5
    for column, values in (("similarity", mean), ("similarity_low", mean - reach), ("similarity_high", mean + reach)):
        table[column] = rounded(values)
    if "below" in rows:
        score = cells["below"].mean()
        low, high = wilson(score * table["n_distinct"], table["n_distinct"], level)
        table["score"], table["score_low"], table["score_high"] = rounded(score), rounded(low), rounded(high)
    return table.reset_index()

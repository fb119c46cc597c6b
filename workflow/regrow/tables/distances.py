"""Distances of sets from a reference, with their intervals; those of sets of different sizes are never put together."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.tables.intervals import rounded
from regrow.tables.pooling import MEAN, pooled_names

if TYPE_CHECKING:
    import pandas as pd

INCEPTION = "inception, clean"  # the features of papers: a distance by others is no FID


def distances(sets: pd.DataFrame, kinds: Mapping[str, str], level: float) -> pd.DataFrame:
    """Return a line per cell with `fid` and `kid`, their intervals, and `features`; and the mean of each kind.

    Parameters
    ----------
    sets : DataFrame
        A line per cell of one prompt set, by a judge that gives `distance` and `kid`, each with its error.
    kinds : mapping
        Concept to its kind.
    level : float
        Of the intervals: normal, over the drawn images, the reference being given. A mean has none, for models of
        several concepts are no sample of anything.

    Raises
    ------
    UserError
        Sets of different sizes.
    """
    import pandas as pd

    if sets["n"].nunique() > 1:
        least = sets.sort_values("n").iloc[0]
        raise UserError(
            f"prompt set '{least['prompt_set']}': {least['published']} / {least['attack']} of '{least['concept']}' has "
            f"{least['n']} images where others have {sets['n'].max()}, and distances of sets of different sizes cannot "
            "be compared: draw the same rows for all"
        )
    normal = NormalDist().inv_cdf((1 + level) / 2)
    reach, reach_kernel = normal * sets["distance_error"], normal * sets["kid_error"]
    lines = sets[["concept", "published", "attack", "prompt_set", "n", "n_distinct", "features"]].assign(
        fid=rounded(sets["distance"]),
        fid_low=rounded((sets["distance"] - reach).clip(lower=0)),
        fid_high=rounded(sets["distance"] + reach),
        kid=rounded(sets["kid"]),
        kid_low=rounded(sets["kid"] - reach_kernel),
        kid_high=rounded(sets["kid"] + reach_kernel),
    )
    names = pooled_names(kinds, MEAN)
    own = lines[lines["concept"].isin(list(kinds))]
    own = own.assign(concept=[names[kinds[concept]] for concept in own["concept"]])
    means = own.groupby(["concept", "published", "attack", "prompt_set", "features"], sort=False)[["fid", "kid"]].mean()
    means = means.assign(fid=rounded(means["fid"]), kid=rounded(means["kid"]))
    return pd.concat([lines, means.reset_index()], ignore_index=True)

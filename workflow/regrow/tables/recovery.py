"""What the tables of recovered weights share: counts by published model, completer and concept, and pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.tables.intervals import rounded, with_wilson
from regrow.tables.pooling import ALL, concept_order, in_order, layer_order, with_pooled

if TYPE_CHECKING:
    import pandas as pd

PAIR = ["published", "completer"]
_PARTS = ("top", "rest")


def sign_accuracy(signs: pd.DataFrame, kinds: Mapping[str, str], level: float) -> pd.DataFrame:
    """Sign accuracy of each published model, completer, concept, layer, K and part, with pooled concepts.

    Parameters
    ----------
    signs : DataFrame
        Counts: published, completer, concept, layer, k, part, n, correct, without_sign.
    kinds : mapping
        The audit's concepts with their kinds.
    level : float
        Of the Wilson intervals, which take weights as independent.

    Returns
    -------
    DataFrame
        One line per group that holds a weight; layers by name then ``all``, K rising, top before rest.

    Raises
    ------
    UserError
        When concepts were compared at different K.
    """
    counts = signs.assign(k=rounded(signs["k"]))
    _refuse_unequal_k(counts)
    keys = [*PAIR, "concept", "layer", "k", "part"]
    table = with_pooled(counts, kinds, ALL).groupby(keys)[["n", "correct", "without_sign"]].sum().reset_index()
    table = with_wilson(table[table["n"] > 0], level)
    return in_order(
        table,
        **_pairs(signs),
        concept=concept_order(kinds, ALL),
        layer=layer_order(table["layer"]),
        k=None,
        part=_PARTS,
    )


def alignment_shares(overlaps: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Share of each completed group that lies in each pretrained group, A_rp = |R_r and P_p| / |R_r|.

    *interpretation* of Table 5 (`methods.md` 5.8): "equal-magnitude" groups are groups of equal count.

    Parameters
    ----------
    overlaps : DataFrame
        Counts: published, completer, concept, layer, r, p, count.
    kinds : mapping
        The audit's concepts with their kinds.

    Returns
    -------
    DataFrame
        By r and p; the shares of one r sum to 1. A group without a weight has no line.
    """
    keys = [*PAIR, "concept", "layer", "r", "p"]
    table = with_pooled(overlaps, kinds, ALL).groupby(keys)[["count"]].sum().reset_index()
    size = table.groupby(keys[:-1])["count"].transform("sum")
    table, size = table[size > 0], size[size > 0]  # fewer weights than groups leave a group empty
    table = table.assign(share=rounded(table["count"] / size))
    return in_order(
        table, **_pairs(overlaps), concept=concept_order(kinds, ALL), layer=layer_order(table["layer"]), r=None, p=None
    )


def reliability_bins(bins: pd.DataFrame, kinds: Mapping[str, str], level: float) -> pd.DataFrame:
    """Pool bins over concepts and give each its interval.

    Bin b of all concepts is bin b of each of them together, its prediction their mean by weights; it is missing as soon
    as one of them predicts nothing.
    """
    keys = [*PAIR, "concept", "layer", "bin"]
    rows = with_pooled(bins, kinds, ALL)
    rows = rows.assign(weighted=rows["predicted"] * rows["n"])
    groups = rows.groupby(keys)
    table = groups.agg(low=("low", "min"), high=("high", "max"), n=("n", "sum"), correct=("correct", "sum"))
    # Added one after the other, as the frozen record was: numpy's pairwise sum differs in the last digit.
    weighted = groups["weighted"].agg(lambda values: sum(values.tolist()))
    table["predicted"] = rounded(weighted / table["n"])
    table = table.reset_index().rename(columns={"low": "bin_low", "high": "bin_high"})
    table = with_wilson(table, level).rename(columns={"low": "accuracy_low", "high": "accuracy_high"})
    table = table.assign(low=rounded(table["bin_low"]), high=rounded(table["bin_high"]))
    return in_order(
        table, **_pairs(bins), concept=concept_order(kinds, ALL), layer=layer_order(table["layer"]), bin=None
    )


def calibration_errors(table: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Return the expected calibration error by published model, completer and pooled concept, where one predicts.

    sum_b n_b |accuracy_b - predicted_b| / sum_b n_b: how far, on average, the observed share of right signs is from the
    predicted one.
    """
    from regrow.tables.pooling import pooled_rows

    whole = table[(table["layer"] == ALL) & table["predicted"].notna() & pooled_rows(table)]
    errors = {}
    for (published, completer, concept), rows in whole.groupby([*PAIR, "concept"], sort=False):
        gap = (rows["correct"] / rows["n"] - rows["predicted"]).abs()
        errors[str(published), str(completer), str(concept)] = float((rows["n"] * gap).sum() / rows["n"].sum())
    return errors


def ladder_rungs(rungs: pd.DataFrame, kinds: Mapping[str, str], order: Sequence[str], level: float) -> pd.DataFrame:
    """Score every rung of knowledge over all truly pruned weights.

    *interpretation* of methods.md 3.9: accuracy = (correct + (n - guessed) / 2) / n, so that a rung which finds few of
    the pruned weights is not praised for those alone; limits are Wilson's of the guessed signs, shrunk towards one half
    as the accuracy is.
    """
    keys = [*PAIR, "concept", "rung"]
    groups = with_pooled(rungs, kinds, ALL).groupby(keys)
    table = groups[["n", "covered", "guessed", "correct"]].sum()
    # A note tells of one concept's rung (whose mask it was); pooled, it stays where all say the same.
    table["note"] = groups["note"].agg(lambda notes: notes.iloc[0] if len(notes) == 1 else "")
    table = table[table["n"] > 0].reset_index()
    weight = table["guessed"] / table["n"]
    shares = _unrounded(table, level)
    for column in ("accuracy", "low", "high"):
        table[column] = rounded(weight * shares[column] + (1 - weight) / 2)
    table["coverage"] = rounded(table["covered"] / table["n"])
    return in_order(table, **_pairs(rungs), concept=concept_order(kinds, ALL), rung=order)


def completers(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return a heading for every (published, completer) of a table; one published model alone is not named."""
    pairs = list(dict.fromkeys(zip(table["published"], table["completer"], strict=True)))
    several = len({published for published, _ in pairs}) > 1
    return {
        (published, completer): f"{completer}{f' on {published}' if several else ''}".replace("_", " ")
        for published, completer in pairs
    }


def of_pair(table: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    """Return the rows of one published model and completer."""
    return table[(table["published"] == pair[0]) & (table["completer"] == pair[1])]


def pooled_only(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that pool concepts."""
    from regrow.tables.pooling import pooled_rows

    return table[pooled_rows(table)]


def _pairs(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the orders of published models and completers: as they appear, which is the plan's order."""
    return {column: list(dict.fromkeys(rows[column])) for column in PAIR}


def _unrounded(table: pd.DataFrame, level: float) -> pd.DataFrame:
    import pandas as pd

    from regrow.tables.intervals import wilson

    # Nothing guessed is a coin, exactly.
    shares = pd.DataFrame(0.5, index=table.index, columns=["accuracy", "low", "high"])
    known = table[table["guessed"] > 0]
    low, high = wilson(known["correct"], known["guessed"], level)
    shares.loc[known.index, "accuracy"] = known["correct"] / known["guessed"]
    shares.loc[known.index, "low"], shares.loc[known.index, "high"] = low, high
    return shares


def _refuse_unequal_k(counts: pd.DataFrame) -> None:
    for (published, completer), rows in counts.groupby(PAIR):
        every = set(rows["k"])
        odd = [concept for concept, own in rows.groupby("concept") if set(own["k"]) != every]
        if odd:
            raise UserError(
                f"the signs of concept '{odd[0]!s}' ({published}, {completer}) lack a K that others have: run "
                "evaluate_recovery again for all"
            )

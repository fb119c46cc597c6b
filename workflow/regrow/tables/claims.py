"""What a paper claims, checked on an audit's own tables: one function per claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from regrow.tables.claimed import (
    ATTACK,
    COMPLETER,
    PRUNED,
    QUANTIZED,
    AbsentError,
    Interval,
    accuracy_of,
    alignment,
    of_style,
    on_erased,
    pooled,
    share_of,
    sweep_of,
    with_mask,
    with_noise,
    with_true_sizes,
)
from regrow.tables.roots import figure6, figure7, table1, table2, table3, table4, table5, table6, table12
from regrow.tables.selection import concept_sets, labelled_sets

if TYPE_CHECKING:
    import pandas as pd

    from regrow.tables.data import TableData

YES, PARTLY, NO = "yes", "partly", "no"
_POINTS = 0.05  # of accuracy, that a claim of "hardly" or "kept" allows
_FAILED = 0.25  # accuracy below which an attack failed
_PATTERN = 0.05  # of a cell of Table 5, that a claim of "the same" allows


@dataclass(frozen=True)
class Claim:
    """What a check is given.

    Attributes
    ----------
    table : DataFrame
        The table that holds the numbers.
    data : TableData
        What that table was made of.
    reported : float
        The paper's number, NaN where it prints none.
    """

    table: pd.DataFrame
    data: TableData
    reported: float


@dataclass(frozen=True)
class Finding:
    """What an audit measured of a claim.

    Attributes
    ----------
    measured : str
        What the number is.
    ours, low, high : float
        The number and its interval, NaN where it has none.
    holds : str
        yes, partly (the direction holds and not the size, or not everywhere) or no.
    """

    measured: str
    ours: float
    low: float
    high: float
    holds: str


def signs_recovered(claim: Claim) -> Finding:
    """Return how many of all signs of the paper's completion are right."""
    rows = pooled(claim.table, "all")
    rows = rows[(rows["published"] == PRUNED) & (rows["completer"] == COMPLETER)]
    every = rows[rows["k"] == 1.0]
    if every.empty:
        raise AbsentError(f"{COMPLETER} on {PRUNED}")
    share = share_of(every.iloc[0])
    return _found("signs of all pruned weights that are right", share, share.low > 0.5, share.high >= claim.reported)


def revival(claim: Claim) -> Finding:
    """Return the attacked model's mean accuracy on the erased concept, beside the pruned model's."""
    erased = on_erased(claim.table, claim.data, "erased", "none")
    attacked = on_erased(claim.table, claim.data, "attacked", ATTACK)
    return _found("accuracy after the attack", attacked, attacked.low > erased.high, attacked.high >= claim.reported)


def signs_beat_sizes(claim: Claim) -> Finding:
    """Return signs with drawn sizes less sizes with drawn signs."""
    signs = on_erased(claim.table, claim.data, "oracle", "true_signs_sample")
    return _difference(
        "accuracy, right signs less right sizes", signs, with_true_sizes(claim.table, claim.data), above=0.0
    )


def sizes_below_pruned(claim: Claim) -> Finding:
    """Return the pruned model less right sizes with drawn signs."""
    erased = on_erased(claim.table, claim.data, "erased", "none")
    return _difference("accuracy, pruned less right sizes", erased, with_true_sizes(claim.table, claim.data), above=0.0)


def quantizing_hardly(claim: Claim) -> Finding:
    """Return the quantized model less the pruned one."""
    quantized = on_erased(claim.table, claim.data, "attacked", QUANTIZED)
    gained = quantized.minus(on_erased(claim.table, claim.data, "erased", "none"))
    return _found("accuracy, quantized less pruned", gained, gained.low < _POINTS, gained.high < _POINTS)


def preserved_kept(claim: Claim) -> Finding:
    """Return the attacked model less the pruned one on other classes."""
    others = next(name for name in labelled_sets(claim.data.audit) if name not in concept_sets(claim.data.audit))
    kept = accuracy_of(claim.table, "attacked", ATTACK, others).minus(
        accuracy_of(claim.table, "erased", "none", others)
    )
    return _found("accuracy on others, attacked less pruned", kept, kept.high > -_POINTS, kept.low > -_POINTS)


def diagonal(claim: Claim) -> Finding:
    """Return the mean share of a group that lies in the pretrained group of the same rank, and where each peaks."""
    shares = alignment(claim.table, "all")
    groups = range(len(shares))
    grid = shares.to_numpy(dtype=float)
    mean = float(grid.diagonal().mean())
    peaks = [bool(grid[rank].argmax() == rank) for rank in groups]
    chance = 1 / len(shares)
    return Finding("mean share on the diagonal", round(mean, 6), *_NOTHING, _holds(mean > chance, all(peaks)))


def same_pattern(claim: Claim) -> Finding:
    """Return the largest difference between a concept's cell of Table 5 and the pooled one."""
    pooled = alignment(claim.table, "all")
    apart = [float((alignment(claim.table, concept) - pooled).abs().to_numpy().max()) for concept in claim.data.kinds]
    most = max(apart)
    said = "largest difference of a concept's cell of Table 5 from the pooled one"
    return Finding(said, round(most, 6), *_NOTHING, _holds(most < 2 * _PATTERN, most < _PATTERN))


def falls_with_rank(claim: Claim) -> Finding:
    """Return the sign accuracy of the smallest share K less that of all, and whether it falls at every K."""
    rows = pooled(claim.table, "all")
    rows = rows[(rows["published"] == PRUNED) & (rows["completer"] == COMPLETER) & (rows["part"] == "top")]
    if len(rows) < 2:
        raise AbsentError(f"{COMPLETER} on {PRUNED}")
    ordered = rows.sort_values("k")
    gained = share_of(ordered.iloc[0]).minus(share_of(ordered.iloc[-1]))
    said = f"sign accuracy, surest {ordered['k'].iloc[0]:g} less all"
    return _found(said, gained, gained.low > 0, bool(ordered["accuracy"].is_monotonic_decreasing))


def max_is_best(claim: Claim) -> Finding:
    """Return, over K, the least by which the maximum beats the best other size."""
    grid = sweep_of(claim.table, claim.data)
    if "max" not in grid or len(grid.columns) < 2:
        raise AbsentError("a sweep of K by size")
    ahead = grid["max"] - grid.drop(columns="max").max(axis=1)
    said = "accuracy, maximum less the best other size, at the worst K"
    return Finding(
        said, round(float(ahead.min()), 6), *_NOTHING, _holds((ahead > 0).mean() > 0.5, bool((ahead >= 0).all()))
    )


def rises_then_falls(claim: Claim) -> Finding:
    """Return the K at which the maximum revives most, and whether it rises before and falls after."""
    grid = sweep_of(claim.table, claim.data)
    if "max" not in grid or len(grid) < 3:
        raise AbsentError("a sweep of K with the row's maximum")
    line = grid["max"].sort_index()
    best = float(line.index[int(line.to_numpy().argmax())])
    inside = line.index[0] < best < line.index[-1]
    one_peak = line.loc[:best].is_monotonic_increasing and line.loc[best:].is_monotonic_decreasing
    return Finding("K of the highest accuracy", best, *_NOTHING, _holds(inside, bool(one_peak)))


def style_revived(claim: Claim) -> Finding:
    """Return the mean similarity of the attacked models, beside the pruned ones', on the artists' prompts."""
    erased, attacked = (of_style(claim.table, claim.data, attack, "similarity") for attack in ("none", ATTACK))
    return _found("similarity after the attack", attacked, attacked.low > erased.high, attacked.high >= claim.reported)


def fid_kept(claim: Claim) -> Finding:
    """Return the FID of the attacked models less the pruned ones'."""
    erased, attacked = (of_style(claim.table, claim.data, attack, "fid") for attack in ("none", ATTACK))
    change = attacked.value - erased.value
    return Finding("FID, attacked less pruned", round(change, 6), *_NOTHING, _holds(change < 1, change < 0))


def other_masks(claim: Claim) -> Finding:
    """Return the attacked model less the pruned one, of the mask (SalUn's or Scissorhands') that gains least."""
    gains = [
        with_mask(claim.table, claim.data, mask, ATTACK).minus(with_mask(claim.table, claim.data, mask, "none"))
        for mask in ("salun", "scissorhands")
    ]
    least = min(gains, key=lambda gain: gain.value)
    said = "accuracy, attacked less pruned, of the mask that gains least"
    return _found(said, least, least.low > 0, least.high >= claim.reported)


def weak_noise(claim: Claim) -> Finding:
    """Return the least noise less the plain cut, on the erased concept and on others: the larger change."""
    changes = [
        with_noise(claim.table, name, 0).minus(with_noise(claim.table, name, -1))
        for name in labelled_sets(claim.data.audit)
    ]
    most = max(changes, key=lambda change: abs(change.value))
    small = abs(most.value) < _POINTS
    return _found("accuracy, least noise less the plain cut, where it changes most", most, small, small)


def strong_noise(claim: Claim) -> Finding:
    """Return the plain cut less the noise of 1e-1, on other concepts."""
    others = next(name for name in labelled_sets(claim.data.audit) if name not in concept_sets(claim.data.audit))
    lost = with_noise(claim.table, others, -1).minus(with_noise(claim.table, others, 1))
    return _found("accuracy on others, plain cut less noise of 1e-1", lost, lost.low > 0, lost.low > _POINTS)


def gaussian_weights(claim: Claim) -> Finding:
    """Return the median over layers of the Kolmogorov-Smirnov distance of observed weights to a Gaussian."""
    distance = float(claim.data.evaluation("premise")["ks"].median())
    said = "median Kolmogorov-Smirnov distance of a layer from a Gaussian"
    return Finding(said, round(distance, 6), *_NOTHING, _holds(distance < 0.1, distance < 0.02))


def defence_holds(claim: Claim) -> Finding:
    """Return the strongest attack on a model filled with noise, over all noises."""
    rows = pooled(claim.table, "mean")
    rows = rows[rows["strength"].notna() & (rows["attack"] != "none") & rows["accuracy"].notna()]
    if rows.empty:
        raise AbsentError("an attack on a cut that was filled")
    best = share_of(rows.iloc[rows["accuracy"].to_numpy().argmax()])
    return _found("accuracy after the strongest attack on any noise", best, best.low < _FAILED, best.high < _FAILED)


# What checks a claim: the table that holds the numbers, and the function that reads them.
CHECKS: dict[str, tuple[ModuleType, Callable[[Claim], Finding]]] = {
    "signs_recovered": (table6, signs_recovered),
    "revival": (table1, revival),
    "signs_beat_sizes": (table1, signs_beat_sizes),
    "sizes_below_pruned": (table1, sizes_below_pruned),
    "quantizing_hardly": (table1, quantizing_hardly),
    "preserved_kept": (table1, preserved_kept),
    "diagonal": (table5, diagonal),
    "same_pattern": (table5, same_pattern),
    "falls_with_rank": (table6, falls_with_rank),
    "max_is_best": (table3, max_is_best),
    "rises_then_falls": (table3, rises_then_falls),
    "style_revived": (table2, style_revived),
    "fid_kept": (table2, fid_kept),
    "other_masks": (table4, other_masks),
    "weak_noise": (figure6, weak_noise),
    "strong_noise": (figure6, strong_noise),
    "gaussian_weights": (figure7, gaussian_weights),
    "defence_holds": (table12, defence_holds),
}
_NOTHING = (float("nan"), float("nan"))


def source_of(check: str) -> str:
    """Return the name of the table that a check reads, such as roots/table1."""
    return "/".join(CHECKS[check][0].__name__.split(".")[-2:])


def _holds(direction: Any, size: Any) -> str:
    return YES if direction and size else PARTLY if direction else NO


def _found(measured: str, share: Interval, direction: Any, size: Any) -> Finding:
    holds = _holds(direction, size)
    return Finding(measured, round(share.value, 6), round(share.low, 6), round(share.high, 6), holds)


def _difference(measured: str, one: Interval, other: Interval, above: float) -> Finding:
    apart = one.minus(other)
    return _found(measured, apart, apart.value > above, apart.low > above)

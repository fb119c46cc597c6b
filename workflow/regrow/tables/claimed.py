"""Numbers of an audit's tables that claims are about, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Any

from regrow.tables.selection import concept_sets

if TYPE_CHECKING:
    import pandas as pd

    from regrow.tables.data import TableData

# The paper's own models: ConceptPrune's cut, its completion, and its attack.
PRUNED, COMPLETER, ATTACK, QUANTIZED = "pruned", "nuclear", "roots_max", "int4_rows"


class AbsentError(LookupError):
    """An audit lacks a model that a claim is about."""


@dataclass(frozen=True)
class Interval:
    """A number with the limits of its interval."""

    value: float
    low: float
    high: float

    def minus(self, other: Interval) -> Interval:
        """Return the difference with its interval by Newcombe's hybrid of two Wilson intervals."""
        difference = self.value - other.value
        below = hypot(self.value - self.low, other.high - other.value)
        above = hypot(self.high - self.value, other.value - other.low)
        return Interval(difference, difference - below, difference + above)


def share_of(row: Any) -> Interval:
    """Return the accuracy of a line with its interval."""
    return Interval(float(row["accuracy"]), float(row["low"]), float(row["high"]))


def pooled(table: pd.DataFrame, word: str) -> pd.DataFrame:
    """Return the pooled rows of the audit's first kind of concept."""
    named = table["concept"].str.split(" ").str[0] == word
    return table[named & (table["concept"] == next(iter(table.loc[named, "concept"]), ""))]


def accuracy_of(table: pd.DataFrame, role: str, attack: str, prompt_set: str) -> Interval:
    """Return the mean accuracy of a model of the paper's cut on a prompt set."""
    rows = pooled(table, "mean")
    rows = rows[(rows["role"] == role) & (rows["attack"] == attack) & (rows["prompt_set"] == prompt_set)]
    rows = rows[(rows["published"] == PRUNED) & rows["accuracy"].notna()]
    if rows.empty:
        raise AbsentError(f"{attack} on {PRUNED}" if attack != "none" else PRUNED)
    return share_of(rows.iloc[0])


def on_erased(table: pd.DataFrame, data: TableData, role: str, attack: str) -> Interval:
    """Return the mean accuracy of a model of the paper's cut on the erased concept."""
    return accuracy_of(table, role, attack, concept_sets(data.audit)[0])


def with_true_sizes(table: pd.DataFrame, data: TableData) -> Interval:
    """Return the mean accuracy on the erased concept with true sizes and drawn signs."""
    return on_erased(table, data, "oracle", "true_magnitudes")


def alignment(table: pd.DataFrame, concept: str) -> pd.DataFrame:
    """Return the shares of a concept's groups, completed down, pretrained across."""
    rows = pooled(table, concept) if concept == "all" else table[table["concept"] == concept]
    rows = rows[(rows["published"] == PRUNED) & (rows["completer"] == COMPLETER)]
    if rows.empty:
        raise AbsentError(f"{COMPLETER} on {PRUNED}")
    return rows.pivot(index="r", columns="p", values="share")


def sweep_of(table: pd.DataFrame, data: TableData) -> pd.DataFrame:
    """Return the mean accuracy by K down and size across."""
    rows = pooled(table, "mean").dropna(subset=["k", "accuracy"])
    rows = rows[(rows["published"] == PRUNED) & (rows["prompt_set"] == concept_sets(data.audit)[0])]
    return rows.pivot(index="k", columns="magnitude", values="accuracy")


def of_style(table: pd.DataFrame, data: TableData, attack: str, number: str) -> Interval:
    """Return a pooled number of Table 2: of similarity on the concept's own prompts, of a distance on the others."""
    own = set(concept_sets(data.audit))
    rows = pooled(table, "mean")
    mine = rows["prompt_set"].isin(own) if number == "similarity" else ~rows["prompt_set"].isin(own)
    rows = rows[mine & (rows["published"] == PRUNED) & (rows["attack"] == attack) & rows[number].notna()]
    if rows.empty:
        raise AbsentError(f"{number} of {attack} on {PRUNED}")
    row = rows.iloc[0]
    return Interval(float(row[number]), float(row[f"{number}_low"]), float(row[f"{number}_high"]))


def with_mask(table: pd.DataFrame, data: TableData, mask: str, attack: str) -> Interval:
    """Return the mean accuracy on the erased concept of an attack on what an eraser's mask cut, of Table 4."""
    rows = pooled(table, "mean")
    rows = rows[(rows["mask_source"] == mask) & (rows["attack"] == attack) & rows["accuracy"].notna()]
    rows = rows[rows["prompt_set"] == concept_sets(data.audit)[0]]
    if rows.empty:
        raise AbsentError(f"{attack} on the mask of {mask}" if attack != "none" else f"mask of {mask}")
    return share_of(rows.iloc[0])


def with_noise(table: pd.DataFrame, prompt_set: str, size: int) -> Interval:
    """Return the accuracy of the plain cut (-1), of the least noise (0), or of the noise of 1e-1 (1)."""
    rows = pooled(table, "mean")
    rows = rows[(rows["prompt_set"] == prompt_set) & (rows["unit"] == "absolute")].sort_values("std")
    rows = rows[rows["std"] == 0] if size < 0 else rows[rows["std"] > 0] if size == 0 else rows[rows["std"] == 0.1]
    if rows.empty:
        raise AbsentError("noise of that size, or the plain cut")
    return share_of(rows.iloc[0])

"""Sums over concepts: one mean per kind of concept, for an object and a style never share a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ALL, MEAN = "all", "mean"


def pooled_names(kinds: Mapping[str, str], word: str) -> dict[str, str]:
    """Return the name of each kind's pooled row: `word` alone where all concepts are of one kind, else with the kind.

    Parameters
    ----------
    kinds : mapping
        Concept to its kind.
    word : str
        ``mean`` or ``all``.
    """
    found = list(dict.fromkeys(kinds.values()))
    return {kind: word if len(found) == 1 else f"{word} {kind}" for kind in found}


def is_pooled(concept: str) -> bool:
    """Return whether a table's concept is a pooled row; the words are reserved, and no concept's name has a blank."""
    return concept.split(" ")[0] in (ALL, MEAN)


def pooled_rows(table: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of a table pool concepts."""
    return table["concept"].map(is_pooled).astype(bool)


def image_counts(table: pd.DataFrame) -> str:
    """Return in words how many images the cells of single concepts have."""
    counts = table.loc[~pooled_rows(table), "n"].dropna()
    return f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"


def with_pooled(rows: pd.DataFrame, kinds: Mapping[str, str], word: str) -> pd.DataFrame:
    """Return the rows, and behind them the same rows once more under the pooled name of their concept's kind."""
    import pandas as pd

    names = pooled_names(kinds, word)
    twins = rows.assign(concept=[names[kinds[concept]] for concept in rows["concept"]])
    return pd.concat([rows, twins], ignore_index=True)


def in_order(rows: pd.DataFrame, **orders: Sequence[object] | None) -> pd.DataFrame:
    """Sort rows by columns, each by the order given or, where it is None, by its values; ties keep their places."""
    import pandas as pd

    ranks = pd.DataFrame(index=rows.index)
    for column, order in orders.items():
        places = {value: place for place, value in enumerate(sorted(set(rows[column])) if order is None else order)}
        ranks[column] = [places[value] for value in rows[column]]
    return rows.loc[ranks.sort_values(list(orders), kind="stable").index].reset_index(drop=True)


def concept_order(kinds: Mapping[str, str], word: str) -> list[str]:
    """Return concepts in their order, then the pooled rows."""
    return [*kinds, *pooled_names(kinds, word).values()]


def layer_order(layers: Iterable[str]) -> list[str]:
    """Return layers by name, ``all`` last."""
    return sorted(set(layers), key=lambda layer: (layer == ALL, layer))

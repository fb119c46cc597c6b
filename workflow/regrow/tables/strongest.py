"""The attack that shows a concept most often."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def strongest_attacks(rows: pd.DataFrame) -> dict[str, str]:
    """Return, of one concept's accuracies on one prompt set, each published model's strongest attack.

    The first in the table's order among equals; an oracle is no attack, and one that does not apply has no accuracy.
    """
    tried = rows[(rows["role"] == "attacked") & rows["accuracy"].notna()]
    found = {}
    for published, here in tried.groupby("published", sort=False):
        accuracies = here["accuracy"].tolist()
        found[str(published)] = str(here["attack"].iloc[accuracies.index(max(accuracies))])
    return found

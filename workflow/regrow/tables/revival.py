"""How much of what was erased comes back, from a table of accuracies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.pooling import MEAN, pooled_rows

if TYPE_CHECKING:
    import pandas as pd

PRETRAINED = ("pretrained", "none", "none")


def revival_rate(attack: float, erased: float, pretrained: float) -> float | None:
    """Return how much of what was erased comes back (`methods.md` 5.11), (attack - erased) / (pretrained - erased).

    Parameters
    ----------
    attack, erased, pretrained : float
        Accuracies on the erased concept.

    Returns
    -------
    float or None
        0 = nothing came back, 1 = as before the erasing; None when nothing was erased.
    """
    return (attack - erased) / (pretrained - erased) if pretrained > erased else None


def model_key(role: str, published: str, attack: str) -> str:
    """Return a model's name as a part of a metric's."""
    return {"pretrained": role, "control": role, "erased": published}.get(role, f"{published}_{attack}")


def mean_accuracies(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracy of every model and prompt set; one that does not exist has no key."""
    pooled = table[pooled_rows(table)].dropna(subset="accuracy")
    return {
        f"{row.prompt_set}_accuracy_{model_key(row.role, row.published, row.attack)}"
        f"{row.concept.removeprefix(MEAN).replace(' ', '_')}": row.accuracy
        for row in each_line(pooled)
    }


def revival_rates(table: pd.DataFrame, prompt_set: str) -> dict[str, float]:
    """Return the revival rate of every attack's mean; one that does not exist has no key."""
    pooled = table[pooled_rows(table)].dropna(subset="accuracy")
    pooled = pooled[pooled["prompt_set"] == prompt_set]
    cells = {(row.concept, row.role, row.published, row.attack): row.accuracy for row in each_line(pooled)}
    rates = {}
    for (concept, role, published, attack), accuracy in cells.items():
        before, after = cells.get((concept, *PRETRAINED)), cells.get((concept, "erased", published, "none"))
        if role == "attacked" and before is not None and after is not None:
            rate = revival_rate(accuracy, after, before)
            if rate is not None:
                kind = concept.removeprefix(MEAN).replace(" ", "_")
                rates[f"revival_rate_{model_key(role, published, attack)}{kind}"] = round(rate, 6)
    return rates

"""Sign accuracy of recovered weights against K (methods.md 5.9, Table 6 of Roots Beneath the Cut)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.attack._retain import retained
from regrow.model.completed import Completed

COLUMNS = {
    "layer": pa.string(),
    "k": pa.float64(),
    "part": pa.string(),
    "n": pa.int64(),
    "correct": pa.int64(),
    "without_sign": pa.int64(),
}


def sign_counts(true: Tensor, values: Tensor, missing: Tensor, k: float) -> dict[str, tuple[int, int, int]]:
    """Count recovered signs that are right, for the top-K and the rest of one layer.

    *faithful* to methods.md 5.9 with the split of 3.1 C: ``top`` holds the missing entries of the largest recovered
    magnitude, which the paper's attacker retains at K, ``rest`` the other missing ones. An attack that ranks by
    certainty retains others: for those see `regrow.evaluate.reliability`.

    Parameters
    ----------
    true, values : Tensor
        Pretrained and recovered weights, (d, 4d).
    missing : Tensor
        bool, (d, 4d).
    k : float
        K in (0, 1].

    Returns
    -------
    dict
        ``{"top" | "rest": (n, correct, without_sign)}``. Entries whose pretrained weight is exactly 0 have no sign:
        they take part in the ranking, as the attacker cannot know, and are counted apart from `n`. A recovered 0 is
        wrong.
    """
    top = retained(values.abs(), missing, k)
    right = values.sign() == true.sign()
    signed = true != 0
    counts = {}
    for part, entries in (("top", top), ("rest", missing & ~top)):
        n, correct, without = torch.stack(
            [(entries & signed).sum(), (entries & signed & right).sum(), (entries & ~signed).sum()]
        ).tolist()
        counts[part] = (n, correct, without)
    return counts


def sign_table(true: Mapping[str, Tensor], completed: Completed, k: Iterable[float]) -> list[dict[str, Any]]:
    """Return sign accuracy per K, part and layer, and over ``all`` layers.

    *interpretation*: ``all`` adds up the layers' own top-K sets, for the attack ranks within a layer.

    Parameters
    ----------
    true : mapping of Tensor
        Pretrained weights by name.
    completed : Completed
        What the attacker recovered.
    k : iterable of float
        K values; 1.0, the overall accuracy, is always added.

    Returns
    -------
    list of dict
        Rows of layer, k, part, n, correct, without_sign; parts without entries (the rest at K = 1) have no row.
    """
    rows = []
    for share in sorted({*k, 1.0}):
        total: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        layers = []
        for name in sorted(completed.values):
            for part, counts in sign_counts(true[name], completed.values[name], completed.missing[name], share).items():
                layers.append((name, part, counts))
                total[part] = [a + b for a, b in zip(total[part], counts, strict=True)]
        layers += [("all", part, (n, correct, without)) for part, (n, correct, without) in total.items()]
        rows += [
            {"layer": layer, "k": float(share), "part": part, "n": n, "correct": correct, "without_sign": without}
            for layer, part, (n, correct, without) in layers
            if n or without
        ]
    return rows

"""Whether a completer knows how sure it is: predicted against observed sign accuracy."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.complete._certainty import sign_probability
from regrow.model.completed import Completed

COLUMNS = {
    "layer": pa.string(),
    "bin": pa.int64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "predicted": pa.float64(),
    "n": pa.int64(),
    "correct": pa.int64(),
}


def reliability_table(true: Mapping[str, Tensor], completed: Completed, bins: int) -> list[dict[str, Any]]:
    """Count right signs in bins of equal count by certainty, per layer and over ``all`` layers.

    *interpretation*, ours: bins of equal count, not of equal width, so that each says as much. ``all`` ranks the
    entries of every layer together where the certainty is a probability (`regrow.complete._certainty`); where it is
    nothing but an order, it is one within a layer, so there ``all`` adds up the layers' bins.

    Parameters
    ----------
    true : mapping of Tensor
        Pretrained weights by name; entries that are exactly 0 there have no sign and are left out, and so are entries
        recovered as 0, for which no sign was guessed.
    completed : Completed
        What the attacker recovered.
    bins : int
        Bins per layer, at least 2.

    Returns
    -------
    list of dict
        Rows of layer, bin (from 1, the least sure), low, high, predicted, n, correct. `low` and `high` are the bin's
        smallest and largest probability of a right sign, `predicted` its mean; of an order they are the bin's share of
        the ranking, from 0 to 1, and None. A bin without entries has no row.
    """
    ranked_only = completed.meaning == "order"
    layers = {}
    for name in sorted(completed.values):
        values = completed.values[name]
        entries = completed.missing[name] & (true[name] != 0) & (values != 0)
        certainty = completed.certainty[name][entries]
        score = certainty.double() if ranked_only else sign_probability(certainty, completed.meaning)
        layers[name] = (score, (values.sign() == true[name].sign())[entries], _bins(score, bins))
    score, right, bin_ = (torch.cat(parts) for parts in zip(*layers.values(), strict=True))
    layers["all"] = (score, right, bin_ if ranked_only else _bins(score, bins))
    rows = []
    for layer, (score, right, bin_) in layers.items():
        for number in range(bins):
            here = bin_ == number
            n = int(here.sum())
            if not n:
                continue
            low, high, predicted = number / bins, (number + 1) / bins, None
            if not ranked_only:
                inside = score[here]
                low, high, predicted = float(inside.min()), float(inside.max()), float(inside.mean())
            rows.append(
                {
                    "layer": layer,
                    "bin": number + 1,
                    "low": low,
                    "high": high,
                    "predicted": predicted,
                    "n": n,
                    "correct": int(right[here].sum()),
                }
            )
    return rows


def _bins(score: Tensor, bins: int) -> Tensor:
    """Return the 0-based bin of each entry by rising score, the first entry first among equals."""
    count = score.numel()
    place = torch.empty(count, dtype=torch.int64)
    place[score.argsort(stable=True)] = torch.arange(count) * bins // max(count, 1)
    return place

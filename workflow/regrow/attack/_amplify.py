"""The fill of `regrow.attack.amplified`, and how much larger a second cut says that it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrow.complete._certainty import sign_probability
from regrow.complete._recut import recuts
from regrow.errors import UserError

if TYPE_CHECKING:
    from regrow.attack.amplified import Options
    from regrow.model.completed import Completed, Meaning

LEAST = 0.05  # of what comes back: a layer that is guessed no better than by chance would be filled with noise


def amplify(weight: Tensor, missing: Tensor, values: Tensor, certainty: Tensor, meaning: Meaning) -> Tensor:
    """Return sign(w) (2p - 1) max|w_row| at missing entries, float32, (d, 4d), and 0 elsewhere."""
    agreement = (2 * sign_probability(certainty, meaning) - 1).float()
    largest = weight.float().abs().masked_fill(missing, 0.0).amax(1, keepdim=True)
    return (values.sign() * agreement * largest).masked_fill(~missing, 0.0)


def filled(weight: Tensor, completed: Completed, name: str, scale: float) -> Tensor:
    """Return a published weight with c = `scale` times `amplify` at its missing entries, float32, (d, 4d)."""
    missing = completed.missing[name]
    fill = amplify(weight, missing, completed.values[name], completed.certainty[name], completed.meaning)
    return fill.mul(scale) + weight.float().masked_fill(missing, 0.0)


def measured_scales(weights: Mapping[str, Tensor], completed: Completed, options: Options) -> dict[str, float]:
    """Return c of every layer, from what comes back of entries that are known; see `regrow.attack.amplified`."""
    if "method" not in completed.made_by:
        raise UserError("the completed weights do not say how they were made: run complete_weights again")
    parts = {
        name: part
        for name in sorted(weights)
        if (part := _part_that_returns(weights[name], completed.missing[name], completed, options)) is not None
    }
    if not parts:
        raise UserError("attack 'amplified' has nothing to cut again: the published model has no missing entry")
    if options.scope == "model":
        parts = dict.fromkeys(parts, sum(parts.values()) / len(parts))
    return {name: round(options.factor / max(parts.get(name, 1.0), LEAST), 2) for name in weights}


def _part_that_returns(weight: Tensor, missing: Tensor, completed: Completed, options: Options) -> float | None:
    """Return <f, t> / <t, t>, or ||f|| / ||t||, over all second cuts of a layer; None where nothing is cut."""
    assert options.share is not None and options.draws is not None  # match is not none
    if not missing.any():
        return None
    products = torch.zeros(3, dtype=torch.float64)
    for again in recuts(weight, missing, completed.made_by, options.share, options.draws, options.seed):
        both = missing | again.cut
        fill = amplify(weight, both, again.values, again.certainty, again.meaning)[again.cut].double()
        true = weight[again.cut].double()
        products += torch.stack([fill @ true, fill @ fill, true @ true])
    gain, fills, trues = products.tolist()
    if not trues:  # every column is missing as a whole, or nearly
        return None
    return gain / trues if options.match == "gain" else (fills / trues) ** 0.5

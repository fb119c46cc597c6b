"""Amplified: fill in missing entries by how sure their signs are, and make all larger by what a second cut tells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.methods import Count, MethodOptions, Positive, Seed, Share

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.completed import Completed
    from regrow.model.published import PublishedWeights

RETURNS = "weights"
KNOWLEDGE = ("nothing",)
NEEDS_COMPLETER = True
APPLIES_TO = ("pruning",)

log = logging.getLogger(__name__)


class Options(MethodOptions):
    """Options of `amplified`."""

    match: Literal["gain", "norm", "none"] = Field(
        description="What is brought to 1 on entries that are cut again and known: gain (the part of the weights that "
        "comes back), norm (their size), or none, where factor is c itself"
    )
    scope: Literal["model", "layer"] = Field(description="One c for the model, or one per layer")
    factor: Positive = Field(description="On c: 1 is what the second cut says")
    share: Share | None = Field(None, description="Of the cut columns, how many are cut again; null with match none")
    draws: Count | None = Field(None, description="Second cuts, each a completion more; null with match none")
    seed: Seed = Field(description="Of the second cuts")
    tuned_on: list[str] = Field(description="Concepts on which these options were chosen, as world/concept")

    @model_validator(mode="after")
    def _cuts_where_they_are_used(self) -> Options:
        if (self.match == "none") != (self.share is None and self.draws is None):
            raise ValueError("share and draws are of the second cuts: state both, or set match to none and leave both")
        if self.match != "none" and (self.share is None or self.draws is None):
            raise ValueError("the second cuts need share and draws: state both")
        return self


def check(options: Options, entries: Mapping[str, ModuleType]) -> None:
    """Refuse a completer that only ranks."""
    from regrow.attack._completed import require_probability

    require_probability("'amplified'", entries)


def amplified(published: PublishedWeights, completed: Completed | None, options: Options) -> dict[str, Tensor]:
    """Give every missing entry the weight sign(w) (2p - 1) c max|w_row|, with no top-K.

    *variant*, ours, of Roots Beneath the Cut. p is the completer's probability of the sign, so 2p - 1 is what a guess
    agrees with the truth in expectation, and the row's maximum is the paper's size. Over a layer's missing entries let
    f be sign(w) (2p - 1) max|w_row| and t the true weights: f brings back the part g = <f, t> / <t, t> of what was cut,
    from a hundredth in layers that are hard to guess to three quarters. Entries that are known are cut again and
    completed (`regrow.complete._recut`), where g can be measured, and

        c = factor / mean of g over the layers     (match gain, scope model),

    so that what was cut comes back whole on average: layers that are guessed well give more than they lost, those that
    are guessed badly less, and their noise stays small. ``match: norm`` takes ||f|| / ||t|| in the place of g. With
    ``scope: layer`` every layer has its own c, from its own g. A g below 0.05 counts as 0.05, which bounds c.

    Knowledge: the published weights alone. Cost: `draws` completions more, no image.

    Parameters
    ----------
    published : PublishedWeights
        The published model.
    completed : Completed
        What a completer recovered of it, with probabilities.
    options : Options
        c is rounded to 2 decimals: the same weights then come of it whatever the last digits of the completion.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights: as published where nothing was missing.

    Raises
    ------
    UserError
        No completion, one of other weights, or one that does not say how it was made.
    """
    from regrow.attack._amplify import filled, measured_scales
    from regrow.attack._completed import require_completed

    recovered, weights = require_completed(published, completed, "amplified"), published.ffn2
    scales = dict.fromkeys(weights, options.factor)
    if options.match != "none":
        scales = measured_scales(weights, recovered, options)
    for name, scale in scales.items():
        log.info("%s: c = %g", name, scale)
    return {name: filled(weights[name], recovered, name, scales[name]) for name in sorted(weights)}

"""Roots: retain the surest recovered signs and give each the magnitude of its row (methods.md 3.1 C and D)."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.methods import MethodOptions, Seed, Share

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.completed import Completed
    from regrow.model.published import PublishedWeights

RETURNS = "weights"
KNOWLEDGE = ("nothing",)
NEEDS_COMPLETER = True
APPLIES_TO = ("pruning",)


class Options(MethodOptions):
    """Options of `roots`."""

    retain: Share | Literal["auto"] = Field(
        description="Share of a layer's recovered signs that is retained (paper: 0.6), or auto: chosen per layer from "
        "how probable they are, by a completer that tells it, with rank certainty"
    )
    magnitude: Literal["max", "average", "sample", "row_max", "sample_empirical", "sample_layer", "completed"] = Field(
        description="Size of a retained entry: max, average or sample of its row (code); row_max, sample_empirical of "
        "its row or sample_layer (paper's text: 4.2, 5.2, 4.3); or as completed"
    )
    rank: Literal["magnitude", "certainty"] = Field(
        description="Retain the largest by recovered magnitude (paper) or the surest by the completer's certainty"
    )
    seed: Seed = Field(description="Of the drawn magnitudes (code: 2021)")

    @model_validator(mode="after")
    def _auto_goes_by_certainty(self) -> Options:
        if self.retain == "auto" and self.rank != "certainty":
            raise ValueError("retain auto goes by the surest signs: set its rank to certainty")
        return self


def check(options: Options, entries: Mapping[str, ModuleType]) -> None:
    """Refuse ``retain: auto`` with a completer that only ranks."""
    from regrow.attack._completed import require_probability

    if options.retain == "auto":
        require_probability("'roots' with retain auto", entries)


def roots(published: PublishedWeights, completed: Completed | None, options: Options) -> dict[str, Tensor]:
    """Fill the missing entries of each FFN2 weight with a recovered sign and a magnitude of the same row.

    *faithful* to the published code (methods.md 3.1 C, D) with ``rank: magnitude``; *variant* with ``rank:
    certainty``, which ranks by the completer's own certainty, and with ``retain: auto``. *interpretation*: a row draws
    one number for every entry missing in it, in column order, so the draw of an entry does not depend on `retain`.
    Upstream writes nothing for K = 1, here it retains every sign. Results are float32, upstream's float16, where the
    margin of `max` vanishes.

    With w the observed weights of a row, mu and sd their mean and population standard deviation, and z ~ N(mu, sd^2),
    the magnitude is max(|z|, max|w| (1 + 1e-6)) for `max` (neuron-max scaling), mean|w| for `average`, |z| for
    `sample`, and the recovered magnitude itself for `completed` ("Align"). *faithful* to the paper's text where it says
    something else than its code: max|w| for `row_max`, a |w| of the row drawn with replacement for `sample_empirical`,
    one of the whole layer for `sample_layer`.

    Knowledge: the published weights alone. Cost: less than a second beside the completion, no image.

    Parameters
    ----------
    published : PublishedWeights
        The published model.
    completed : Completed
        What a completer recovered of it.
    options : Options
        The generator of `seed` is consumed in sorted layer order, row by row.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights: as published where nothing was missing, 0 where the sign was dropped or recovered as 0.

        A row of which nothing is left stays as published.

    Raises
    ------
    UserError
        No completion, or one of other weights.
    """
    import torch

    from regrow.attack._completed import require_completed
    from regrow.attack._magnitudes import missing_magnitudes, with_evidence
    from regrow.attack._retain import retained, surest_signs

    recovered, weights = require_completed(published, completed, "roots"), published.ffn2
    surest = surest_signs(recovered) if options.retain == "auto" else {}
    generator = torch.Generator("cpu").manual_seed(options.seed)
    attacked = {}
    for name in sorted(weights):
        weight, values = weights[name].float(), recovered.values[name]
        missing = with_evidence(recovered.missing[name])
        importance = values.abs() if options.rank == "magnitude" else recovered.certainty[name]
        chosen = surest[name] if options.retain == "auto" else retained(importance, missing, options.retain)
        if options.magnitude == "completed":
            size = values.abs()
        else:
            size = missing_magnitudes(weight, missing, options.magnitude, generator, name)
        attacked[name] = torch.where(missing, torch.where(chosen, values.sign(), 0.0) * size, weight)
    return attacked

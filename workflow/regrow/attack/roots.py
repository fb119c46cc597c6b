"""Roots: retain the surest recovered signs and give each the magnitude of its row (methods.md 3.1 C and D)."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.errors import UserError
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
    magnitude: Literal["max", "average", "sample", "completed"] = Field(
        description="Size of a retained entry, from the observed weights of its row, or as completed (paper: 4.3)"
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
    if options.retain == "auto" and not entries["completer"].TELLS_PROBABILITY:
        raise UserError(
            "attack 'roots' with retain auto needs a completer that tells how probable a sign is: name an entry of "
            "complete_weights with method gaussian_posterior"
        )


def roots(published: PublishedWeights, completed: Completed | None, options: Options) -> dict[str, Tensor]:
    """Fill the missing entries of each FFN2 weight with a recovered sign and a magnitude of the same row.

    *faithful* to the published code (methods.md 3.1 C, D) with ``rank: magnitude``; *variant* with ``rank:
    certainty``, which ranks by the completer's own certainty, and with ``retain: auto``. *interpretation*: a row draws
    one number for every entry missing in it, in column order, so the draw of an entry does not depend on `retain`.
    Upstream writes nothing for K = 1, here it retains every sign. Results are float32, upstream's float16, where the
    margin of `max` vanishes.

    With w the observed weights of a row, mu and sd their mean and population standard deviation, and z ~ N(mu, sd^2),
    the magnitude is max(|z|, max|w| (1 + 1e-6)) for `max` (neuron-max scaling), mean|w| for `average`, |z| for
    `sample`, and the recovered magnitude itself for `completed` ("Align").

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

    Raises
    ------
    UserError
        No completion, one of other weights, or a row with missing entries and nothing left.
    """
    import torch

    from regrow.attack._magnitudes import draw_rows, row_magnitudes
    from regrow.attack._retain import retained, surest_signs

    if completed is None:
        raise UserError("attack 'roots' needs completed weights: name a completer in its entry in params.yaml")
    weights = published.ffn2
    if set(weights) != set(completed.values) or any(completed.values[n].shape != w.shape for n, w in weights.items()):
        raise UserError(
            "the completed weights are not those of the published model: run complete_weights on this very model"
        )
    surest = surest_signs(completed) if options.retain == "auto" else {}
    generator = torch.Generator("cpu").manual_seed(options.seed)
    attacked = {}
    for name in sorted(weights):
        weight, values, missing = weights[name].float(), completed.values[name], completed.missing[name]
        importance = values.abs() if options.rank == "magnitude" else completed.certainty[name]
        chosen = surest[name] if options.retain == "auto" else retained(importance, missing, options.retain)
        if options.magnitude == "completed":
            size = values.abs()
        else:
            drawn = draw_rows(weight, missing, generator, name)
            size = row_magnitudes(weight, missing, drawn, options.magnitude)
        attacked[name] = torch.where(missing, torch.where(chosen, values.sign(), 0.0) * size, weight)
    return attacked

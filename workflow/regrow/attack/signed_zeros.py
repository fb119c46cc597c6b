"""Read the signs of pruned weights from the sign bits of their zeros: what pruning by multiplication gives away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.errors import UserError
from regrow.methods import MethodOptions, Seed

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.completed import Completed
    from regrow.model.published import PublishedWeights

RETURNS = "weights"
KNOWLEDGE = ("nothing",)
NEEDS_COMPLETER = False
APPLIES_TO = ("pruning",)
RELEASE = "multiplied"  # what the option `release` of an eraser must be: filled zeros tell nothing


class Options(MethodOptions):
    """Options of `signed_zeros`."""

    magnitude: Literal["average", "max", "sample", "row_max", "sample_empirical", "sample_layer"] = Field(
        description="Size of a pruned entry, from the observed weights of its row or layer, as for roots"
    )
    seed: Seed = Field(description="Of the drawn magnitudes")


def signed_zeros(published: PublishedWeights, completed: Completed | None, options: Options) -> dict[str, Tensor]:
    """Give every zero of the FFN2 weights the sign of its sign bit and a magnitude of its row.

    *variant*, ours, of Roots Beneath the Cut: nothing is completed. The released codes of ConceptPrune, of that paper
    and of Forget-It-All prune by multiplying with 1 - mask, as `torch.nn.utils.prune` does, and -w times 0 is -0.0.
    Read from those sources and tried on weights pruned that way; a publisher who fills with 0, or adds 0.0 to what was
    multiplied, gives no sign away.

    With s the sign bit of a zero and w the observed weights of its row, the entry becomes s mean|w| for `average`.
    Knowledge: the published weights alone. Cost: less than a second; no completion, no image.

    Parameters
    ----------
    published : PublishedWeights
        The published model.
    completed : None
        Not used.
    options : Options
        Magnitudes follow `regrow.attack.roots`; the generator of `seed` is consumed in sorted layer order.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights: as published where they are not 0, and in rows of nothing but zeros. A weight that was 0
        before counts as pruned.

    Raises
    ------
    UserError
        No zero, or zeros of one sign only.
    """
    import torch

    from regrow.attack._magnitudes import missing_magnitudes, with_evidence
    from regrow.model.zeros import count_zeros

    zeros = count_zeros(published.ffn2.values())
    if not zeros.tell_signs:
        found = f"all {zeros.total} zeros of its FFN2 weights are {'-0.0' if zeros.negative else '+0'}"
        raise UserError(
            f"attack 'signed_zeros' does not apply to this model: {found if zeros.total else 'it has no zeros'}, so "
            "their sign bits tell nothing: leave it out of this audit"
        )
    generator = torch.Generator("cpu").manual_seed(options.seed)
    attacked = {}
    for name in sorted(published.ffn2):
        weight = published.ffn2[name].float()
        zero = with_evidence(weight == 0)
        size = missing_magnitudes(weight, zero, options.magnitude, generator, name)
        attacked[name] = torch.where(zero, torch.where(weight.signbit(), -size, size), weight)
    return attacked

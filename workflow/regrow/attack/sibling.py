"""Fill the cut with what a public sibling of the base has there: its signs, or its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.errors import UserError
from regrow.methods import MethodOptions, Positive, Seed

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.completed import Completed
    from regrow.model.published import PublishedWeights

RETURNS = "weights"
KNOWLEDGE = ("sibling",)
NEEDS_COMPLETER = False
APPLIES_TO = ("pruning",)


class Options(MethodOptions):
    """Options of `sibling`."""

    sibling: str = Field(min_length=1, description="One of the world's siblings")
    take: Literal["signs", "weights"] = Field(description="What of the sibling goes into the missing entries")
    missing: Literal["zeros", "difference"] = Field(
        description="What is missing: exact zeros, or what differs from the sibling by more than usual"
    )
    deviations: Positive | None = Field(
        None, description="Of difference: how many robust standard deviations of a matrix's differences are a cut"
    )
    magnitude: Literal["max", "average", "sample", "row_max", "sample_empirical", "sample_layer"] | None = Field(
        None, description="Size of an entry whose sign is taken, as for roots"
    )
    seed: Seed = Field(description="Of the drawn magnitudes")

    @model_validator(mode="after")
    def _only_what_is_used(self) -> Options:
        if (self.missing == "difference") != (self.deviations is not None):
            raise ValueError("missing difference needs deviations, and zeros takes none: change one of the two")
        if (self.take == "signs") != (self.magnitude is not None):
            raise ValueError("take signs needs a magnitude, and weights takes none: change one of the two")
        return self


def sibling(published: PublishedWeights, completed: Completed | None, options: Options) -> dict[str, Tensor]:
    """Put a sibling's signs or weights where the published model was cut.

    *variant*, ours. With w the observed weights of a row and v the sibling's weight of a missing entry, the entry
    becomes v, or sign(v) times a magnitude of `regrow.attack.roots` from w. The fewer steps lie between the models and
    the weights that they share, the nearer v is to what was pruned; a sibling that never saw the concept tells what the
    shared weights knew of it. Knowledge: a public sibling of the base. Cost: less than a second; no image.

    Parameters
    ----------
    published : PublishedWeights
        The published model, with the sibling's weights.
    completed : None
        Not used.
    options : Options
        The generator of `seed` is consumed in sorted layer order.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights: as published where nothing is missing, and, where a size is taken from the row, in rows
        of which nothing is left.

    Raises
    ------
    UserError
        No sibling, or nothing missing.
    """
    import torch

    from regrow.attack._magnitudes import missing_magnitudes, with_evidence
    from regrow.complete._difference import differing

    if published.sibling is None:
        raise UserError("attack 'sibling' was given no sibling of the base: name one among the world's siblings")
    generator = torch.Generator("cpu").manual_seed(options.seed)
    attacked, found = {}, 0
    for name in sorted(published.ffn2):
        weight, other = published.ffn2[name].float(), published.sibling[name].float()
        missing = weight == 0 if options.deviations is None else differing(weight, other, options.deviations)
        found += int(missing.sum())
        values = other
        if options.magnitude is not None:
            missing = with_evidence(missing)
            values = other.sign() * missing_magnitudes(weight, missing, options.magnitude, generator, name)
        attacked[name] = torch.where(missing, values, weight)
    if not found:
        raise UserError(
            f"attack 'sibling' finds nothing missing by {options.missing}, so there is nothing to fill: the model "
            "hides its cut, or has none"
        )
    return attacked

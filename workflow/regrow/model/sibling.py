"""A public sibling of the base: another model that went on from the same weights, for attacks that know one."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from regrow.errors import UserError
from regrow.model.pipelines import read_base
from regrow.model.published import PublishedWeights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sibling:
    """What an attacker reads of a sibling.

    Attributes
    ----------
    weights : dict of Tensor
        float32, those of its weights that were published, by name.
    is_base : bool
        Whether it has the base's own weights there, so that the attacker knows everything.
    """

    weights: dict[str, Tensor]
    is_base: bool


def read_sibling(folder: Path, published: PublishedWeights) -> Sibling:
    """Read the FFN2 weights of a sibling that the published model has too.

    Raises
    ------
    UserError
        A broken folder, or a model of another architecture.
    """
    try:
        weights = read_base(folder, published.ffn2)
    except UserError as error:
        raise UserError(
            f"{folder} is no sibling of the published model's base, for it has not the same weights ({error})"
        ) from error
    for name, weight in weights.items():
        if weight.shape != published.ffn2[name].shape:
            raise UserError(
                f"{folder} is no sibling of the published model's base: its '{name}' has the shape "
                f"{tuple(weight.shape)}, the published one {tuple(published.ffn2[name].shape)}"
            )
    # Training moves every weight, so two models that agree in most entries of every matrix are one model there.
    is_base = all(
        float((weight.float() - published.ffn2[name]).abs().median()) == 0 for name, weight in weights.items()
    )
    if is_base:
        log.warning("%s has the base's own weights and is no sibling: who has it knows every pruned weight", folder)
    return Sibling({name: weight.float() for name, weight in weights.items()}, is_base)


def require_sibling(what: str, knowledge: Collection[str], folder: Path | None) -> None:
    """Refuse a sibling for whom does not declare to know one, and none for whom does.

    Raises
    ------
    UserError
        As said.
    """
    if ("sibling" in knowledge) != (folder is not None):
        mend = "knows none: leave it out" if folder else "knows one: give the folder of a pipeline"
        raise UserError(f"{what} and a sibling of the base: it {mend}")

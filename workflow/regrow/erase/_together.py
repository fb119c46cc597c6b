"""Several concepts in one model: the option by which an eraser names them, and what it gets for it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, field_validator

from regrow.concepts import Concept
from regrow.methods import MethodOptions
from regrow.work import Work


class Together(MethodOptions):
    """Which concepts are erased in one model."""

    together: list[str] = Field(
        min_length=1,
        description="Concepts of the world that are erased in the same model; the one that is asked about is one of "
        "them, or is added",
    )

    @field_validator("together")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("a concept stands twice: name each once")
        return names


@dataclass(frozen=True)
class WorkTogether(Work):
    """Where an eraser works, and what it erases beside its concept.

    Attributes
    ----------
    others : tuple of Concept
        The packs of the concepts in `together` but for the one that is asked about, in their order; without the option,
        none.
    """

    others: tuple[Concept, ...] = ()

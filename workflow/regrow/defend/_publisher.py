"""What a defence may ask of the publisher: the base model and the concept, both of which an attacker never has.

A defence is a function ``NAME(erased, publisher, options) -> dict[str, Tensor]``: it gets the erased model as
`regrow.model.masks.Erased`, whose `tensors` hold every changed weight after pruning and whose `mask` tells what was
pruned, and returns new values of any weights; what it does not return stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from regrow.concepts import Concept
from regrow.model.pipelines import load_base, read_base

if TYPE_CHECKING:
    from collections.abc import Iterable

    from diffusers import StableDiffusionPipeline


@dataclass(frozen=True)
class Publisher:
    """The publisher's side, for a defence.

    Attributes
    ----------
    base : Path
        Folder of the base model.
    concept : Concept
        What was erased.
    device : str
        Where to compute.
    seed : int
        Of every random draw.
    """

    base: Path
    concept: Concept
    device: str
    seed: int

    def pipeline(self) -> StableDiffusionPipeline:
        """Return the base model, loaded when it is first asked for."""
        return self._pipeline

    @cached_property
    def _pipeline(self) -> StableDiffusionPipeline:
        return load_base(self.base, self.device)

    def pretrained(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Return weights of the base, as stored, without loading the pipeline."""
        return read_base(self.base, names)

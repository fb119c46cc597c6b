"""Try an eraser on many concepts in one process: the sweep that sets its ratio, and the choice of the audited ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from regrow.concepts import Concept
from regrow.emoji.measure import draw_all, labels_of
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler
from regrow.model.deltas import Delta, Swapper
from regrow.model.names import split

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from regrow.judge.classifier import Judge as Classifier

# An eraser with its options: from the base and a concept to new values and masks, as `erase._changes.run_eraser` gives.
Eraser = Callable[["StableDiffusionPipeline", Concept], tuple[dict[str, Tensor], dict[str, Tensor]]]


@dataclass(frozen=True)
class Trial:
    """What erasing one concept did, before any attack.

    Attributes
    ----------
    concept : str
        Its name.
    n : int
        Images per accuracy.
    pretrained, erased : float
        Share of the concept's own prompts judged correct, before and after.
    preserved_before, preserved : float
        Share of the other prompts judged correct, before and after.
    density : float
        Share of all entries of pruned weights that are pruned.
    """

    concept: str
    n: int
    pretrained: float
    erased: float
    preserved_before: float
    preserved: float
    density: float


class Surveyor:
    """Keeps a pipeline and a judge, and what the pretrained model did.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The world's model; changed and restored by every trial.
    judge : Classifier
        The object judge.
    sampler : Sampler
        Steps and guidance.
    batch : int
        Images at once.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, judge: Classifier, sampler: Sampler, batch: int = 48):
        self.pipeline, self.judge, self.sampler, self.batch = pipeline, judge, sampler, batch
        self._swapper = Swapper(pipeline, "survey")
        self._pretrained: dict[Prompt, bool] = {}

    def _correct(self, rows: Sequence[Prompt]) -> list[bool]:
        images = draw_all(self.pipeline, rows, self.sampler, self.batch)
        return [label == row.label for label, row in zip(labels_of(self.judge, images), rows, strict=True)]

    def pretrained(self, rows: Sequence[Prompt]) -> float:
        """Return the pretrained model's accuracy on `rows`; each row is drawn once."""
        new = [row for row in rows if row not in self._pretrained]
        if new:
            self._pretrained.update(zip(new, self._correct(new), strict=True))
        return sum(self._pretrained[row] for row in rows) / len(rows)

    def try_concept(self, concept: Concept, own: Sequence[Prompt], others: Sequence[Prompt], eraser: Eraser) -> Trial:
        """Erase a concept and measure; `own` are its prompts, `others` those that should survive."""
        before, others_before = self.pretrained(own), self.pretrained(others)
        tensors, masks = eraser(self.pipeline, concept)
        try:
            self._swapper.put(Delta({**tensors, **self._pruned(masks)}, "survey", f"survey of {concept.name}"))
            erased, preserved = self._correct(own), self._correct(others)
        finally:
            self._swapper.put(None)
        return Trial(
            concept.name,
            len(own),
            before,
            sum(erased) / len(erased),
            others_before,
            sum(preserved) / len(preserved),
            sum(int(mask.sum()) for mask in masks.values()) / max(1, sum(mask.numel() for mask in masks.values())),
        )

    def _pruned(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights with 0 where a mask says so."""
        pruned = {}
        for name, mask in masks.items():
            component, parameter = split(name)
            weight = getattr(self.pipeline, component).get_parameter(parameter).detach()
            pruned[name] = weight.masked_fill(mask.to(weight.device), 0.0)
        return pruned


def eligible(trial: Trial, *, floor: float, left: float, loss: float) -> bool:
    """Say whether a concept can be audited: well drawn, erased, and its neighbours preserved.

    Parameters
    ----------
    trial : Trial
        What erasing did.
    floor : float
        Least pretrained accuracy.
    left : float
        Greatest share of the pretrained accuracy that may be left after erasing.
    loss : float
        Greatest fall of the preserved accuracy.
    """
    return (
        trial.pretrained >= floor
        and trial.erased <= left * trial.pretrained
        and trial.preserved_before - trial.preserved <= loss
    )


def choose(trials: Sequence[Trial], count: int, **rule: float) -> Iterator[str]:
    """Name the first `count` eligible concepts in the order of their erasing: best first, names break ties.

    The order is that of (erased share left, fall of the preserved accuracy): how well a concept revives plays no part.
    """
    fit = [trial for trial in trials if eligible(trial, **rule)]
    fit.sort(key=lambda t: (t.erased / t.pretrained, t.preserved_before - t.preserved, t.concept))
    yield from (trial.concept for trial in fit[:count])

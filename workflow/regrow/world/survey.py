"""Try an eraser on many concepts in one process: the sweep that sets its ratio, and the choice of the audited ones."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from regrow.concepts import Concept
from regrow.erase import erase
from regrow.generate import Sampler, generate
from regrow.judge.classifier import Classifier
from regrow.prompts import Prompt


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
        Share of all FFN2 entries that are pruned.
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
        self._pretrained: dict[Prompt, bool] = {}

    def _right(self, rows: Sequence[Prompt]) -> list[bool]:
        parts = generate(self.pipeline, list(rows), self.sampler, self.batch)
        drawn = [(row, Image.open(io.BytesIO(png)).convert("RGB")) for part in parts for row, png in part]
        opinions = self.judge([image for _, image in drawn])
        return [opinion.top5[0] == row.label for (row, _), opinion in zip(drawn, opinions, strict=True)]

    def pretrained(self, rows: Sequence[Prompt]) -> float:
        """Return the pretrained model's accuracy on `rows`; each row is drawn once."""
        new = [row for row in rows if row not in self._pretrained]
        if new:
            self._pretrained.update(zip(new, self._right(new), strict=True))
        return sum(self._pretrained[row] for row in rows) / len(rows)

    def try_concept(
        self, concept: Concept, own: Sequence[Prompt], others: Sequence[Prompt], method: str, options: dict[str, Any]
    ) -> Trial:
        """Erase a concept and measure; `own` are its prompts, `others` those that should survive."""
        before, kept_before = self.pretrained(own), self.pretrained(others)
        erasure = erase(method, self.pipeline, concept.base, concept.target, **options)
        weights = dict(self.pipeline.unet.named_parameters())
        saved = {name: weights[name].detach().clone() for name in erasure.weights}
        try:
            _fill(weights, erasure.weights)
            erased, kept = self._right(own), self._right(others)
        finally:
            _fill(weights, saved)
        pruned = sum(int(mask.sum()) for mask in erasure.mask.values())
        entries = sum(mask.numel() for mask in erasure.mask.values())
        return Trial(
            concept.name,
            len(own),
            before,
            sum(erased) / len(erased),
            kept_before,
            sum(kept) / len(kept),
            pruned / max(1, entries),
        )


@torch.no_grad()
def _fill(weights: dict[str, torch.nn.Parameter], values: dict[str, torch.Tensor]) -> None:
    for name, value in values.items():
        weights[name].copy_(value)


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

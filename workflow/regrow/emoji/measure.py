"""Measure the emoji world against its bars: judges on unseen compositions, the generator by the judges."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2.functional import to_pil_image

from regrow.emoji.scenes import SceneMaker
from regrow.emoji.vocabulary import COLOURS, STYLES, spoken, with_article
from regrow.errors import UserError, nearest
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler, draw
from regrow.judge.classifier import Judge as Classifier
from regrow.judges import read_protocol

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

UNSEEN_SEED = 2**40  # training draws from seeds far below
BATCH = 50


@dataclass(frozen=True)
class Share:
    """How many of `n` images are right."""

    correct: int
    n: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.correct / self.n


def load_classifier(folder: Path, labels: Iterable[str], device: str) -> Classifier:
    """Load a judge that must be a classifier and know some labels."""
    protocol = read_protocol(folder)
    if protocol.type != "classifier":
        raise UserError(f"{folder} is a judge of type {protocol.type}: give a classifier, which tells labels")
    judge = Classifier(protocol, device)
    if unknown := [label for label in labels if label not in judge.labels]:
        raise UserError(f"the judge in {folder} has no label '{unknown[0]}': {nearest(unknown[0], judge.labels)}")
    return judge


def labels_of(judge: Classifier, images: Sequence[Image.Image]) -> list[str]:
    """Return a classifier's first label for each image."""
    judge.reset()
    for first in range(0, len(images), BATCH):
        part = list(images[first : first + BATCH])
        judge.update(part, [Prompt(case, "", 0, "") for case in range(len(part))])
    return [row["top1"] for row in judge.compute()]


def draw_all(
    pipeline: StableDiffusionPipeline, rows: Sequence[Prompt], sampler: Sampler, batch: int = BATCH
) -> list[Image.Image]:
    """Return one image per row."""
    return [
        Image.open(io.BytesIO(png)).convert("RGB") for part in draw(pipeline, rows, sampler, batch) for _, png in part
    ]


def judge_accuracy(judge: Classifier, scenes: SceneMaker, kind: str, n: int) -> Share:
    """Return the top-1 accuracy of a classifier on `n` fresh compositions of real sprites."""
    correct = 0
    labels = [spoken(name) for name in scenes.names] if kind == "object" else list(STYLES)
    truth_of = scenes.name_of if kind == "object" else scenes.style_of
    for part in range(0, n, 250):
        drawn = scenes.draw(min(250, n - part), torch.Generator().manual_seed(UNSEEN_SEED + part), background_only=0.0)
        images = [to_pil_image((pixels + 1) / 2) for pixels in drawn.pixels]
        truth = [labels[i] for i in truth_of[drawn.sprite].tolist()]
        correct += sum(found == label for found, label in zip(labels_of(judge, images), truth, strict=True))
    return Share(correct, n)


def background_of(image: Image.Image) -> str:
    """Return the colour name nearest to the median of an image's outermost pixels."""
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    distance = {name: float(np.square(np.median(border, axis=0) - rgb).sum()) for name, rgb in COLOURS.items()}
    return min(distance, key=lambda name: distance[name])


def object_accuracy(
    pipeline: StableDiffusionPipeline,
    judge: Classifier,
    names: list[str],
    n: int,
    sampler: Sampler,
    seed: int = 200_000,
) -> dict[str, Share]:
    """Return, per object, how often "an emoji of a {name}" is judged to be one, over `n` seeds each."""
    things = [spoken(name) for name in names for _ in range(n)]
    images = draw_all(pipeline, _rows([f"an emoji of {with_article(t)}" for t in things], seed), sampler)
    right = Counter(thing for thing, found in zip(things, labels_of(judge, images), strict=True) if found == thing)
    return {name: Share(right[spoken(name)], n) for name in names}


def style_accuracy(
    pipeline: StableDiffusionPipeline,
    judge: Classifier,
    names: list[str],
    n: int,
    sampler: Sampler,
    seed: int = 300_000,
) -> Share:
    """Return how often the style that the prompt names is the one judged, over `n` prompts."""
    styles = [STYLES[i % len(STYLES)] for i in range(n)]
    prompts = [
        f"an emoji of {with_article(spoken(names[i % len(names)]))} in the {s} style" for i, s in enumerate(styles)
    ]
    found = labels_of(judge, draw_all(pipeline, _rows(prompts, seed), sampler))
    return Share(sum(label == style for label, style in zip(found, styles, strict=True)), n)


def background_accuracy(
    pipeline: StableDiffusionPipeline, names: list[str], n: int, sampler: Sampler, seed: int = 400_000
) -> Share:
    """Return how often the background that the prompt asks for is the one painted, over `n` prompts."""
    colours = [list(COLOURS)[i % len(COLOURS)] for i in range(n)]
    prompts = [
        f"an emoji of {with_article(spoken(names[i % len(names)]))} on {with_article(c)} background"
        for i, c in enumerate(colours)
    ]
    images = draw_all(pipeline, _rows(prompts, seed), sampler)
    return Share(sum(background_of(image) == c for image, c in zip(images, colours, strict=True)), n)


def reconstruction_psnr(pipeline: StableDiffusionPipeline, scenes: SceneMaker, n: int) -> float:
    """Return the autoencoder's peak signal-to-noise ratio on `n` fresh compositions, in dB; higher is better."""
    pixels = scenes.draw(n, torch.Generator().manual_seed(UNSEEN_SEED)).pixels
    pixels = pixels.to(pipeline.vae.device)
    with torch.inference_mode():
        again = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mode()).sample
    return float(-10 * torch.log10((again - pixels).square().mean() / 4))


def _rows(prompts: list[str], seed: int) -> list[Prompt]:
    return [Prompt(case, prompt, seed + case, "") for case, prompt in enumerate(prompts)]

"""Measure the emoji world against its bars: judges on unseen compositions, the generator by the judges."""

import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torchvision.transforms.v2.functional import to_pil_image

from regrow.generate import Sampler, generate
from regrow.judge.classifier import Classifier
from regrow.prompts import Prompt
from regrow.world.scenes import SceneMaker
from regrow.world.vocabulary import COLOURS, STYLES, spoken, with_article

UNSEEN_SEED = 2**40  # training draws from seeds far below


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    correct: int
    n: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.correct / self.n


def judge_accuracy(judge: Classifier, scenes: SceneMaker, kind: str, n: int) -> Share:
    """Return the top-1 accuracy of a classifier on `n` fresh compositions of real sprites."""
    correct = 0
    for part in range(0, n, 250):
        drawn = scenes.draw(min(250, n - part), torch.Generator().manual_seed(UNSEEN_SEED + part), background_only=0.0)
        images = [to_pil_image((pixels + 1) / 2) for pixels in drawn.pixels]
        of = scenes.name_of if kind == "object" else scenes.style_of
        labels = [spoken(name) for name in scenes.names] if kind == "object" else list(STYLES)
        truth = [labels[i] for i in of[drawn.sprite].tolist()]
        correct += sum(opinion.top5[0] == label for opinion, label in zip(judge(images), truth, strict=True))
    return Share(correct, n)


def background_of(image: Image.Image) -> str:
    """Return the colour name nearest to the median of an image's outermost pixels."""
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    distance = {name: float(np.square(np.median(border, axis=0) - rgb).sum()) for name, rgb in COLOURS.items()}
    return min(distance, key=lambda name: distance[name])


def _pictures(pipeline: StableDiffusionPipeline, prompts: list[str], sampler: Sampler, seed: int) -> list[Image.Image]:
    rows = [Prompt(i, prompt, seed + i, "") for i, prompt in enumerate(prompts)]
    return [
        Image.open(io.BytesIO(png)).convert("RGB") for part in generate(pipeline, rows, sampler, 50) for _, png in part
    ]


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
    images = _pictures(pipeline, [f"an emoji of {with_article(t)}" for t in things], sampler, seed)
    right = Counter(t for t, opinion in zip(things, judge(images), strict=True) if opinion.top5[0] == t)
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
    opinions = judge(_pictures(pipeline, prompts, sampler, seed))
    return Share(sum(o.top5[0] == s for o, s in zip(opinions, styles, strict=True)), n)


def background_accuracy(
    pipeline: StableDiffusionPipeline, names: list[str], n: int, sampler: Sampler, seed: int = 400_000
) -> Share:
    """Return how often the background that the prompt asks for is the one painted, over `n` prompts."""
    colours = [list(COLOURS)[i % len(COLOURS)] for i in range(n)]
    prompts = [
        f"an emoji of {with_article(spoken(names[i % len(names)]))} on {with_article(c)} background"
        for i, c in enumerate(colours)
    ]
    images = _pictures(pipeline, prompts, sampler, seed)
    return Share(sum(background_of(image) == c for image, c in zip(images, colours, strict=True)), n)


def reconstruction_error(pipeline: StableDiffusionPipeline, scenes: SceneMaker, n: int) -> float:
    """Return the autoencoder's peak signal-to-noise ratio on `n` fresh compositions, in dB."""
    pixels = scenes.draw(n, torch.Generator().manual_seed(UNSEEN_SEED)).pixels
    pixels = pixels.to(pipeline.vae.device)
    with torch.inference_mode():
        again = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mode()).sample
    return float(-10 * torch.log10((again - pixels).square().mean() / 4))

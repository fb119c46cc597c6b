"""The wall, as types: all that an attacker has of a published model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from regrow.errors import UserError
from regrow.model.deltas import Delta, apply_delta, read_delta
from regrow.model.names import FFN2, is_ffn2
from regrow.model.pipelines import load_base

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from regrow.model.completed import Completed
    from regrow.world import World

# How alike images and texts are to a CLIP: float (n, 3, h, w) in [0, 1] and n texts to n cosines, differentiable.
Similarity = Callable[[Tensor, Sequence[str]], Tensor]


@dataclass(frozen=True)
class PublishedWeights:
    """What an attack on weights sees: the published delta and nothing else.

    Attributes
    ----------
    tensors : dict of Tensor
        Every published tensor, as published.
    ffn2 : dict of Tensor
        Those of them that are FFN2 weights, float32, (d, 4d), in sorted order.
    base, digest : str
        Of the delta.
    sibling : dict of Tensor or None
        The FFN2 weights of a sibling of the base, float32, for attacks that declare to know one.
    """

    tensors: dict[str, Tensor]
    ffn2: dict[str, Tensor]
    base: str
    digest: str
    sibling: dict[str, Tensor] | None = None


@dataclass(frozen=True)
class PublishedModel:
    """What an attack that runs the model sees: a pipeline into which the published delta was put.

    Attributes
    ----------
    pipeline : StableDiffusionPipeline
        The published model.
    delta : Delta
        Which of its tensors the publisher changed.
    word : str or None
        The concept's word, for attacks whose knowledge level includes it.
    completed : Completed or None
        What a completer recovered of it, for attacks that have one.
    similarity : callable or None
        `Similarity` by the CLIP of the attack's own, which is no judge, for attacks that need one.
    notes : dict
        What the attack puts here goes into its record: numbers as JSON has them, and ``flags``, a list of words.
    """

    pipeline: StableDiffusionPipeline
    delta: Delta
    word: str | None
    completed: Completed | None = None
    similarity: Similarity | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def read_published(path: Path) -> PublishedWeights:
    """Read a published model for an attack on weights.

    Raises
    ------
    UserError
        A broken file, a header that says more than the base, or an FFN2 that is no matrix (d, 4d).
    """
    return weights_of(read_delta(path), str(path))


def weights_of(delta: Delta, called: str = "the published model") -> PublishedWeights:
    """Return what an attack on weights would see of a published model.

    Raises
    ------
    UserError
        An FFN2 that is no matrix (d, 4d).
    """
    ffn2 = {name: delta.tensors[name].float() for name in sorted(delta.tensors) if is_ffn2(name)}
    for name, weight in ffn2.items():
        if weight.ndim != 2 or weight.shape[1] != 4 * weight.shape[0]:
            raise UserError(f"{called}: '{name}' has the shape {tuple(weight.shape)}, not (d, 4d): publish it as it is")
    return PublishedWeights(delta.tensors, ffn2, delta.base, delta.digest)


def require_ffn2(published: PublishedWeights, path: Path) -> None:
    """Raise a UserError when nothing was published that an attack on FFN2 weights could look at."""
    if not published.ffn2:
        raise UserError(
            f"{path} changes no FFN2 weight (a name that ends in '{FFN2}'): this attack does not apply to it"
        )


def load_published(
    world: World,
    path: Path,
    device: str,
    word: str | None = None,
    completed: Completed | None = None,
    similarity: Similarity | None = None,
) -> PublishedModel:
    """Load a published model for an attack that runs it; the base is never handed out without the delta in it.

    Raises
    ------
    UserError
        A delta that is broken or of another base.
    """
    delta = read_delta(path)
    pipeline = load_base(world.pipeline, device)
    apply_delta(pipeline, delta, world.base)
    return PublishedModel(pipeline, delta, word, completed, similarity)

"""What an attacker sees of its own images: how alike those of the concept and of other things are to their prompts."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from regrow.attack._prompts import refuse_minors
from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler, draw
from regrow.model.names import split

if TYPE_CHECKING:
    from regrow.attack._groups import Groups
    from regrow.model.published import PublishedModel


def rows_of(prompts: Sequence[str], count: int, seed: int) -> list[Prompt]:
    """Return `count` rows, prompts in turn, each with a seed of its own from 2^32 on, where prompt sets have none."""
    seeds = torch.randint(2**32, 2**48, (count,), generator=torch.Generator("cpu").manual_seed(seed)).tolist()
    return [Prompt(case, prompts[case % len(prompts)], seeds[case], "") for case in range(count)]


@dataclass(frozen=True)
class Viewer:
    """Draws a model's images and asks the attack's CLIP.

    Attributes
    ----------
    model : PublishedModel
        The model, with a CLIP; what is tried is written into it, in place.
    groups : Groups
        What is tried.
    sampler : Sampler
        Of the images, which nobody keeps.
    batch : int
        Images at once.
    """

    model: PublishedModel
    groups: Groups
    sampler: Sampler
    batch: int

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Write weights into the model."""
        with torch.no_grad():
            for name, weight in weights.items():
                component, parameter = split(name)
                getattr(self.model.pipeline, component).get_parameter(parameter).copy_(weight)

    def similarity(self, rows: Sequence[Prompt]) -> Tensor:
        """Return the cosine of each row's image and prompt, float32, on the CPU.

        Raises
        ------
        UserError
            Images of several seeds that are all the same, or a number that is NaN or infinite.
        """
        assert self.model.similarity is not None  # NEEDS_CLIP
        pixels = torch.cat([_pixels(part) for part in draw(self.model.pipeline, rows, self.sampler, self.batch)])
        if not (pixels - pixels[:1]).any():
            raise UserError(
                f"the model draws {len(rows)} images that are all the same, whatever the prompt and the seed, so there "
                "is nothing to search by"
            )
        with torch.inference_mode():
            found = self.model.similarity(pixels.to(self.model.pipeline.unet.device), [row.prompt for row in rows])
        if not torch.isfinite(found).all():
            raise UserError("the attack's own CLIP says NaN or infinity of an image: restore its files")
        return found.float().cpu()


class Objective:
    """The score of a candidate: how alike the concept's images are to their prompts, less what other images lose.

    Parameters
    ----------
    view : Viewer
        Of the published model, whose own images of other things are drawn first.
    own, others : sequence of str
        Prompts.
    counts : (int, int)
        Images of the concept and of other things.
    weight : float
        Of what other images lose.
    seed : int
        Of the images, the same for all candidates; two numbers from it on are used.

    Raises
    ------
    UserError
        A prompt that may not be drawn, or as `Viewer.similarity`.
    """

    def __init__(
        self, view: Viewer, own: Sequence[str], others: Sequence[str], counts: tuple[int, int], weight: float, seed: int
    ) -> None:
        self._view, self._weight, self._own = view, weight, counts[0]
        others_rows = rows_of(others, counts[1], seed + 1)
        self._rows = [*rows_of(own, counts[0], seed), *others_rows]
        refuse_minors([row.prompt for row in self._rows])
        view.put(view.groups.weights)
        self._before = float(view.similarity(others_rows).mean())

    def score(self, logarithms: Sequence[float]) -> float:
        """Return mean cos of own images - weight max(0, what the mean cos of the others lost)."""
        self._view.put(self._view.groups.scaled(logarithms))
        found = self._view.similarity(self._rows)
        lost = self._before - float(found[self._own :].mean())
        return float(found[: self._own].mean()) - self._weight * max(0.0, lost)


def _pixels(part: Sequence[tuple[Prompt, bytes]]) -> Tensor:
    """Return float32 (n, 3, h, w) in [0, 1]."""
    images = np.stack([np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for _, png in part])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

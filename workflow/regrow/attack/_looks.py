"""Looks of an attack at its own images: how similar to their prompts they are, by how much they lack what is usual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from regrow.attack._augment import augmented
from regrow.errors import UserError

if TYPE_CHECKING:
    from regrow.attack._chains import Drawer
    from regrow.model.published import Similarity

ALIKE = 1e-3  # in the range of pixels: less than a grey level apart
PART = 16  # images decoded at once where nothing is trained
REPEATS = 4  # how often every view is drawn, to be averaged, where nothing is trained


@dataclass(frozen=True)
class Usual:
    """What is usual of images that the published model still draws.

    Attributes
    ----------
    levels : Tensor
        (steps, views): mean similarity of the image in which the UNet believes at each step, view by view.
    lack : float
        Mean over views of final images of what each lacks of the last level: half of them lie below it.
    colours, spread : Tensor
        (steps, 6): mean and standard deviation over images of their `colours_of`.
    """

    levels: Tensor
    lack: float
    colours: Tensor
    spread: Tensor


class Looker:
    """Draws images whole and compares them with their prompts.

    Parameters
    ----------
    drawer : Drawer
        How they are drawn.
    similarity : callable
        The CLIP.
    augment : sequence of float
        How far images are changed before they are compared, a view each; see `augmented`.
    """

    def __init__(self, drawer: Drawer, similarity: Similarity, augment: Sequence[float]) -> None:
        self.drawer, self._similarity, self._augment = drawer, similarity, augment

    def see(self, original: Tensor, prompts: Sequence[str], generator: Generator) -> tuple[Tensor, Tensor]:
        """Return how similar decoded latents are to their prompts, (n, views), and their colours, (n, 6)."""
        images = self.drawer.images(original)
        return self._views(images, prompts, generator), colours_of(images)

    def _views(self, images: Tensor, prompts: Sequence[str], generator: Generator) -> Tensor:
        found = [self._similarity(augmented(images, strength, generator), prompts) for strength in self._augment]
        return torch.stack(found, dim=1)

    def usual(self, weights: Mapping[str, Tensor], prompts: Sequence[str], generator: Generator) -> Usual:
        """Draw one image per prompt; return what is usual of them.

        Raises
        ------
        UserError
            The model draws the same whatever it is asked for, or NaN.
        """
        with torch.no_grad():
            originals = list(self._originals(weights, prompts, generator))
            found, colours = (
                torch.stack(part)
                for part in zip(*(self._see_parts(one, prompts, generator) for one in originals), strict=True)
            )
            images = torch.cat([self.drawer.images(part) for part in originals[-1].split(PART)])
        if not torch.isfinite(images).all():
            raise UserError("the published model draws NaN or infinite numbers: an attack by its images does not apply")
        if float((images - images[:1]).abs().amax()) < ALIKE:
            raise UserError("the published model draws the same image whatever it is asked for: nothing can steer it")
        levels = found.mean(1)
        lack = float((levels[-1] - found[-1]).clamp_min(0).mean())
        return Usual(levels, lack, colours.mean(1), colours.std(1).clamp_min(ALIKE))

    def look(self, weights: Mapping[str, Tensor], prompts: Sequence[str], seed: int) -> Tensor:
        """Draw one image per prompt; return the similarities of the final ones, (n, views)."""
        generator = Generator().manual_seed(seed)
        with torch.no_grad():
            *_, last = self._originals(weights, prompts, generator)
            return self._see_parts(last, prompts, generator)[0]

    def _see_parts(self, original: Tensor, prompts: Sequence[str], generator: Generator) -> tuple[Tensor, Tensor]:
        found, colours = [], []
        for i in range(0, len(prompts), PART):
            images = self.drawer.images(original[i : i + PART])
            views = [self._views(images, prompts[i : i + PART], generator) for _ in range(REPEATS)]
            found.append(torch.stack(views).mean(0))
            colours.append(colours_of(images))
        return torch.cat(found), torch.cat(colours)

    def _originals(
        self, weights: Mapping[str, Tensor], prompts: Sequence[str], generator: Generator
    ) -> Iterator[Tensor]:
        """Yield the latents in which the UNet believes at every step; the last are those of the image."""
        latents = self.drawer.noise(len(prompts), generator)
        for step in range(self.drawer.steps):
            steps = torch.full((len(prompts),), step, device=self.drawer.device)
            original = self.drawer.original(weights, latents, steps, prompts)
            yield original
            latents = self.drawer.advanced(latents, original, steps)


def colours_of(images: Tensor) -> Tensor:
    """Return each channel's mean, and the logarithm of its standard deviation over pixels: (n, 6), differentiable."""
    contrast = images.flatten(2).var(2).add(ALIKE**2).log() / 2
    return torch.cat([images.mean((2, 3)), contrast], dim=1)

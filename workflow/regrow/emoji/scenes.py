"""Compose sprites on plain backgrounds: the endless data set that every model of the emoji world is trained on."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from regrow.emoji.sprites import read_sprites
from regrow.emoji.vocabulary import COLOURS, STYLES, caption
from regrow.errors import UserError, nearest

SIZE = 32  # pixels of a picture's side
BACKGROUND_ONLY = 0.08  # share of pictures without an object
COLOUR_JITTER = 6 / 255  # standard deviation of the background colour


@dataclass(frozen=True)
class Scenes:
    """A batch of pictures with what is on them.

    Attributes
    ----------
    pixels : torch.Tensor
        float32 in [-1, 1], shape (n, 3, 32, 32).
    sprite : torch.Tensor
        int64, shape (n,): index of the sprite, -1 for a background alone.
    colour : torch.Tensor
        int64, shape (n,): index into ``vocabulary.COLOURS``.
    """

    pixels: torch.Tensor
    sprite: torch.Tensor
    colour: torch.Tensor


class SceneMaker:
    """Draws scenes from a sprite file; the same generator state draws the same scenes.

    Parameters
    ----------
    sprites : Path
        Parquet file of sprites.
    exclude : collection of str
        Objects and icon sets that neither a picture nor a caption ever holds.

    Raises
    ------
    UserError
        `exclude` names nothing that is there, or leaves nothing.
    """

    def __init__(self, sprites: Path, exclude: Collection[str] = ()):
        pixels, names, styles = read_sprites(sprites)
        for name in exclude:
            if name not in (known := {*names, *styles}):
                raise UserError(f"{sprites} has no object or icon set '{name}' to exclude: {nearest(name, known)}")
        left = [i for i, pair in enumerate(zip(names, styles, strict=True)) if not set(pair) & set(exclude)]
        if not left:
            raise UserError(f"exclude leaves no sprite of {sprites}: name fewer objects and icon sets")
        self.sprites, names, styles = pixels[left], [names[i] for i in left], [styles[i] for i in left]
        self.names = sorted(set(names))
        self.name_of = torch.tensor([self.names.index(n) for n in names])
        self.style_of = torch.tensor([STYLES.index(s) for s in styles])
        self.palette = torch.tensor(list(COLOURS.values()), dtype=torch.float32) / 255

    def draw(self, n: int, generator: torch.Generator, background_only: float = BACKGROUND_ONLY) -> Scenes:
        """Compose `n` scenes: a sprite shifted, scaled 0.85 to 1 and perhaps mirrored, on a coloured background."""
        sprite = torch.randint(len(self.sprites), (n,), generator=generator)
        colour = torch.randint(len(self.palette), (n,), generator=generator)
        uniform = torch.rand((n, 5), generator=generator)
        rgba = _place(self.sprites[sprite], uniform)
        sprite[uniform[:, 4] < background_only] = -1
        alpha = rgba[:, 3:] * (sprite >= 0).view(-1, 1, 1, 1)
        ground = self.palette[colour] + COLOUR_JITTER * torch.randn((n, 3), generator=generator)
        # grid_sample blends colours without regard to alpha, so colours are premultiplied in _place.
        pixels = rgba[:, :3] * (sprite >= 0).view(-1, 1, 1, 1) + (1 - alpha) * ground.clamp(0, 1).view(n, 3, 1, 1)
        pixels = F.avg_pool2d(pixels, pixels.shape[-1] // SIZE)  # box filter: no aliasing from 64 to 32 pixels
        return Scenes(pixels.clamp(0, 1) * 2 - 1, sprite, colour)

    def captions(self, scenes: Scenes, rng: random.Random) -> list[str]:
        """Draw one caption per scene."""
        colours = list(COLOURS)
        words = []
        for sprite, colour in zip(scenes.sprite.tolist(), scenes.colour.tolist(), strict=True):
            name = None if sprite < 0 else self.names[self.name_of[sprite]]
            words.append(caption(name, STYLES[self.style_of[sprite]], colours[colour], rng))
        return words


def _place(rgba: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Scale, shift and mirror sprites by four uniform numbers each; returns premultiplied RGBA."""
    scale = 0.85 + 0.15 * uniform[:, 0]
    room = 1 - scale
    mirror = torch.where(uniform[:, 3] < 0.5, -1.0, 1.0)
    theta = torch.zeros(len(rgba), 2, 3)
    theta[:, 0, 0] = mirror / scale
    theta[:, 1, 1] = 1 / scale
    theta[:, 0, 2] = (2 * uniform[:, 1] - 1) * room / scale
    theta[:, 1, 2] = (2 * uniform[:, 2] - 1) * room / scale
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)
    grid = F.affine_grid(theta, list(rgba.shape), align_corners=False)
    return F.grid_sample(premultiplied, grid, align_corners=False)

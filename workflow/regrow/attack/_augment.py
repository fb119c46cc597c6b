"""Random changes of an image that leave what is on it as it is, so that a CLIP is not pleased by single pixels."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional


def augmented(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Return images mirrored, shifted, scaled, in other colours and with noise, each at random.

    A shift of at most `strength` of the side, a factor of at most 1 -+ `strength`, a mirror image every other time;
    each channel about its middle times at most 1 -+ `strength`, and plus at most `strength` / 2; noise of standard
    deviation `strength` / 8. What comes in at the edge repeats the edge.

    Parameters
    ----------
    images : Tensor
        float32, (n, 3, h, w), in [0, 1].
    strength : float
        In [0, 1); 0 returns the images as they are and draws nothing.
    generator : Generator
        On the CPU.

    Returns
    -------
    Tensor
        Like `images`, differentiable in them.
    """
    if strength == 0:
        return images
    drawn = 2 * torch.rand((len(images), 4), generator=generator) - 1
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0] = (1 + strength * drawn[:, 0]) * drawn[:, 3].sign()
    theta[:, 1, 1] = 1 + strength * drawn[:, 0]
    theta[:, :, 2] = 2 * strength * drawn[:, 1:3]  # a side is 2 long
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False).to(images.device)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    gain, offset = (strength * (2 * torch.rand(2, len(images), 3, 1, 1, generator=generator) - 1)).to(images.device)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return (0.5 + (moved - 0.5) * (1 + gain) + offset / 2 + strength / 8 * noise).clamp(0, 1)

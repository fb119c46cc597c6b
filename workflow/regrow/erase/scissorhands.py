"""Scissorhands' saliency as a mask: prune the FFN2 entries with the largest |w| times |gradient| (methods.md 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.erase._saliency import SaliencyOptions, accumulate, most_salient

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from regrow.concepts import Concept
    from regrow.work import Work

KIND = "pruning"


class Options(SaliencyOptions):
    """Options of `scissorhands`."""


def scissorhands(
    pipeline: StableDiffusionPipeline, concept: Concept, options: Options, work: Work
) -> dict[str, Tensor]:
    """Mark the largest |w| times the sum over batches of |gradient| of all FFN2 entries together.

    *interpretation* of Tables 4 and 11 of Roots Beneath the Cut, as `salun`. Scissorhands itself looks at the whole
    UNet and draws what it finds in two attention layers anew before it trains; its released loader shows every pass the
    same first batch, here a pass sees all images. They are the pretrained model's own.

    Returns
    -------
    dict of Tensor
        bool masks on the CPU, shape (d, 4d), one per FFN2 weight; True = prune.

    Raises
    ------
    UserError
        A share that takes no entry, or numbers that overflow.
    """
    sums = accumulate(pipeline, concept, options, lambda gradient: gradient.abs())
    weights = dict(pipeline.unet.named_parameters())
    saliency = {name: weights[name.removeprefix("unet.")].detach().abs() * total for name, total in sums.items()}
    return most_salient(saliency, options.share)

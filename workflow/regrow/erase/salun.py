"""SalUn's saliency as a mask: prune the FFN2 entries whose summed gradient is largest (methods.md 3.8)."""

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
    """Options of `salun`."""


def salun(pipeline: StableDiffusionPipeline, concept: Concept, options: Options, work: Work) -> dict[str, Tensor]:
    """Mark the largest |sum over batches of the gradient| of all FFN2 entries together.

    *interpretation* of Tables 4 and 11 of Roots Beneath the Cut, which prunes "those concept-critical weights" of SalUn
    and states neither share nor layers. The saliency is SalUn's: signed gradients are summed over the batches, then
    compared by size. SalUn itself takes half of the whole UNet and trains it instead of pruning; here it is FFN2 alone,
    which Roots revives. The images are the pretrained model's own.

    Returns
    -------
    dict of Tensor
        bool masks on the CPU, shape (d, 4d), one per FFN2 weight; True = prune.

    Raises
    ------
    UserError
        A share that takes no entry, or numbers that overflow.
    """
    sums = accumulate(pipeline, concept, options, lambda gradient: gradient)
    return most_salient({name: total.abs() for name, total in sums.items()}, options.share)

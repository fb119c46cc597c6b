"""ConceptPrune of several concepts in one model: the union of their masks (methods.md 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.erase import conceptprune
from regrow.erase._together import Together

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from regrow.concepts import Concept
    from regrow.erase._together import WorkTogether

KIND = "pruning"


class Options(Together, conceptprune.Options):
    """Options of `conceptprune_union`: those of `conceptprune`, and which concepts are erased together."""


def conceptprune_union(
    pipeline: StableDiffusionPipeline, concept: Concept, options: Options, work: WorkTogether
) -> dict[str, Tensor]:
    """Prune what serves any of the concepts.

    *variant*: every concept's mask is ConceptPrune's own, and an entry goes that is in one of them.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The base; not changed.
    concept : Concept
        The one that is asked about; a model in which all of `together` are erased is the same whichever that is.
    options : Options
        See the class.
    work : WorkTogether
        Its `others` are the packs of the other concepts.

    Returns
    -------
    dict of Tensor
        bool masks on the CPU, shape (d, 4d), one per FFN2 weight; True = prune.

    Raises
    ------
    UserError
        As `conceptprune`.
    """
    masks: dict[str, Tensor] = {}
    for pack in (concept, *work.others):
        for name, mask in conceptprune.conceptprune(pipeline, pack, options, work).items():
            masks[name] = masks[name] | mask if name in masks else mask
    return masks

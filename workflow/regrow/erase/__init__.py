"""Erasers: take a concept out of a model.

One file per method. A method is a module ``regrow.erase.<method>`` with one public function of the same name,

    <method>(pipeline, base_prompts, target_prompts, *, <options>) -> dict[str, Tensor]

that leaves the pipeline as it was and returns, under the name of each weight it changes, either a bool mask (True = set
the entry to zero) or the weight's new values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from regrow.methods import find_method
from regrow.models import ffn2_names


@dataclass(frozen=True)
class Erasure:
    """An erased model and, apart from it, what only the publisher knows.

    Attributes
    ----------
    weights : dict of Tensor
        float32 on the CPU: all FFN2 weights and whatever else changed.
    mask : dict of Tensor
        bool on the CPU, one per FFN2 weight; True = pruned. Empty when the eraser does not prune.
    """

    weights: dict[str, Tensor]
    mask: dict[str, Tensor]


def erase(
    method: str,
    pipeline: StableDiffusionPipeline,
    base_prompts: Sequence[str],
    target_prompts: Sequence[str],
    **options: Any,
) -> Erasure:
    """Erase a concept with the named method.

    Parameters
    ----------
    method : str
        A module of this package, e.g. ``conceptprune``.
    pipeline : StableDiffusionPipeline
        The base model; not changed.
    base_prompts, target_prompts : sequence of str
        Prompts without and with the concept, pairwise alike.
    **options
        The method's own.

    Returns
    -------
    Erasure
        Pruned weights are W (1 - M), methods.md 2.1 step 8.

    Raises
    ------
    UserError
        Unknown method or option, or the method's own.
    """
    function = find_method("regrow.erase", "eraser", method, options)
    changes = function(pipeline, base_prompts, target_prompts, **options)
    state = pipeline.unet.state_dict()
    names = sorted({*ffn2_names(pipeline.unet), *changes})
    weights = {name: state[name].detach().to("cpu", torch.float32, copy=True) for name in names}
    mask = {name: change.cpu() for name, change in changes.items() if change.dtype == torch.bool}
    for name, change in changes.items():
        weights[name] = (
            weights[name].masked_fill(mask[name], 0.0) if name in mask else change.detach().to("cpu", torch.float32)
        )
    return Erasure(weights, mask)

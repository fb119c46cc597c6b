"""Run an eraser and check what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.io.safetensors import check_finite
from regrow.methods import MethodOptions, load_method
from regrow.model.names import COMPONENTS

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from regrow.concepts import Concept
    from regrow.work import Work


def run_eraser(
    pipeline: StableDiffusionPipeline, concept: Concept, method: str, options: MethodOptions, work: Work
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Erase a concept.

    Returns
    -------
    tensors : dict of Tensor
        New values of weights, on the CPU, by name with component.
    mask : dict of Tensor
        bool, on the CPU, True = pruned.

    Raises
    ------
    UserError
        The eraser's own; or it gave a weight that the pipeline lacks, another shape or type, NaN or infinity.
    """
    module = load_method("erase", method)
    changes: Mapping[str, Tensor] = getattr(module, method)(pipeline, concept, options, work)
    shapes = {
        f"{component}.{name}": weight.shape
        for component in COMPONENTS
        for name, weight in getattr(pipeline, component).named_parameters()
    }
    tensors: dict[str, Tensor] = {}
    mask: dict[str, Tensor] = {}
    for name, change in sorted(changes.items()):
        if name not in shapes:
            raise UserError(f"eraser '{method}' changes '{name}', which the model lacks: {nearest(name, shapes)}")
        if change.shape != shapes[name] or not (change.is_floating_point() or change.dtype == torch.bool):
            raise UserError(
                f"eraser '{method}' gives '{name}' the shape {tuple(change.shape)} and type {change.dtype}: it must be "
                f"{tuple(shapes[name])}, of booleans for a mask or of a floating type for new values"
            )
        (mask if change.dtype == torch.bool else tensors)[name] = change.detach().cpu()
    check_finite(f"eraser '{method}'", tensors.items())
    return tensors, mask

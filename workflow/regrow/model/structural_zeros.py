"""Weights that are 0 by a model's wiring and that nobody cut: mask inference and magnitude pruning leave them out.

The file is a safetensors of bool tensors, True = always 0, each under the name of its weight (`unet.<parameter>`) and
in a shape that broadcasts to it, so a row that is 0 throughout is one entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.io.safetensors import read_tensors


def read_structural_zeros(path: Path, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a full bool mask, True = structural zero, for every weight of the file.

    Parameters
    ----------
    path : Path
        The file that a world names as `structural_zeros`.
    weights : mapping of Tensor
        The base's weights; each one that the file names must be there and be 0 where the mask is True.

    Raises
    ------
    UserError
        A damaged file, a mask that is not bool, an unknown weight, a shape that does not fit, a weight that is not 0.
    """
    masks = {}
    for name, compact in read_tensors(path).items():
        if compact.dtype != torch.bool:
            raise UserError(f"{path}: '{name}' is no mask of booleans: write True where a weight is 0 by wiring")
        if name not in weights:
            raise UserError(f"{path} names the weight '{name}', which the model lacks: {nearest(name, weights)}")
        try:
            mask = compact.expand(weights[name].shape)
        except RuntimeError as error:
            raise UserError(
                f"{path}: the mask of '{name}' has the shape {list(compact.shape)}, which does not broadcast to "
                f"{list(weights[name].shape)}: give one of the weight's own shape"
            ) from error
        if bool((weights[name][mask] != 0).any()):
            raise UserError(f"{path} calls entries of '{name}' structural zeros that are not 0: correct the mask")
        masks[name] = mask
    return masks

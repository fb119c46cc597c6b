"""From an erasing to what is published of it: the tensors that differ from the base, and nothing else."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.model.dtypes import narrowed
from regrow.model.masks import Erased, resolve_erased
from regrow.model.pipelines import read_base


def changed_tensors(erased: Erased, base_folder: Path) -> dict[str, Tensor]:
    """Return every tensor of the erased model that differs from the base's, whole, in the base's type if that holds it.

    Raises
    ------
    UserError
        A weight that the base lacks or has in another shape.
    """
    resolved = resolve_erased(erased, base_folder)
    base = read_base(base_folder, resolved)
    for name, tensor in resolved.items():
        if tensor.shape != base[name].shape:
            raise UserError(
                f"the erased '{name}' has the shape {tuple(tensor.shape)}, the base's {tuple(base[name].shape)}: "
                "erase this base again"
            )
    return {
        name: narrowed(tensor, base[name].dtype)
        for name, tensor in resolved.items()
        if not same_values(tensor, base[name])
    }


def same_values(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors hold the same numbers, signs of zeros included, whatever their types."""
    return torch.equal(one.double(), other.double()) and torch.equal(one.signbit(), other.signbit())

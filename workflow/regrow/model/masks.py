"""The publisher's own file of an erasing: masks and changed weights, before anything is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.io.safetensors import check_floating, read_file, write_tensors
from regrow.model.names import is_ffn2
from regrow.model.pipelines import read_base

FORMAT = "regrow erasing 2"
MASK = "mask/"
FILLS = ("filled", "multiplied")


@dataclass(frozen=True)
class Erased:
    """An erasing as the publisher keeps it.

    Attributes
    ----------
    tensors : dict of Tensor
        New values of weights that were trained or filled, by name with component.
    mask : dict of Tensor
        bool, True = pruned, by the name of the weight it prunes.
    base : str
        Digest of the base.
    recipe : dict
        ``concept``, ``eraser`` with its options, ``kind`` (pruning or training) and ``defence``, where there is one.
    release : str
        How a pruned entry becomes 0: ``filled`` sets +0, ``multiplied`` is w * (1 - mask), whose zeros keep the sign.
    """

    tensors: dict[str, Tensor]
    mask: dict[str, Tensor]
    base: str
    recipe: dict[str, Any]
    release: str = "filled"


def write_erased(path: Path, erased: Erased) -> None:
    """Write an erasing, for the publisher only."""
    tensors = {**erased.tensors, **{MASK + name: mask for name, mask in erased.mask.items()}}
    header = {"format": FORMAT, "base": erased.base, "recipe": erased.recipe, "release": erased.release}
    write_tensors(path, tensors, header)


def read_erased(path: Path) -> Erased:
    """Read an erasing.

    Raises
    ------
    UserError
        Missing or damaged file, or no erasing of regrow.
    """
    found, header = read_file(path)
    release, recipe = header.get("release"), header.get("recipe")
    if header.get("format") != FORMAT or not isinstance(recipe, dict) or release not in FILLS:
        raise UserError(f"{path} is no erasing of regrow: give the erased.safetensors of erase_concept")
    mask = {name.removeprefix(MASK): tensor for name, tensor in found.items() if name.startswith(MASK)}
    tensors = {name: tensor for name, tensor in found.items() if not name.startswith(MASK)}
    check_floating(path, tensors.items())
    if wrong := [name for name, tensor in mask.items() if tensor.dtype != torch.bool]:
        raise UserError(f"{path}: the mask of '{wrong[0]}' is not of type bool: make it again with erase_concept")
    return Erased(tensors, mask, str(header.get("base")), recipe, release)


def resolve_erased(erased: Erased, base_folder: Path) -> dict[str, Tensor]:
    """Return the erased model's changed weights in full, in the base's type.

    A pruned weight is the base's with +0 at its pruned entries, or w * (1 - mask) as released codes write it, where
    the zeros of negative weights are -0.0. Weights of which nothing is pruned did not change and are left out.
    """
    pruned = {name: mask for name, mask in erased.mask.items() if name not in erased.tensors and bool(mask.any())}
    base = read_base(base_folder, pruned)
    resolved = dict(erased.tensors)
    for name, weight in base.items():
        mask = pruned[name]
        if mask.shape != weight.shape:
            raise UserError(f"the mask of '{name}' has the shape {tuple(mask.shape)}, the weight {tuple(weight.shape)}")
        resolved[name] = weight.masked_fill(mask, 0.0) if erased.release == "filled" else weight * (~mask).to(weight)
    return dict(sorted(resolved.items()))


def mask_of(erased: Erased, published: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the publisher's mask for every FFN2 weight of the model published from it.

    Parameters
    ----------
    erased : Erased
        From `read_erased` of `path`.
    published : mapping of Tensor
        Published FFN2 weights. Without a defence their zeros must be where the mask says.
    path : Path
        Named in errors.

    Raises
    ------
    UserError
        A mask that prunes nothing, of other shapes, or of another erasing than the published one.
    """
    if not any(bool(mask.any()) for mask in erased.mask.values()):
        raise UserError(f"{path} prunes nothing, so there is nothing to find out: give the erasing of a pruning eraser")
    for name, mask in erased.mask.items():
        if is_ffn2(name) and bool(mask.any()):
            if name not in published or published[name].shape != mask.shape:
                raise UserError(f"{path}: '{name}' is no mask of a weight of the model: give the erasing it came from")
            if not erased.recipe.get("defence") and bool((published[name][mask] != 0).any()):
                raise UserError(f"{path} is the mask of another erasing: '{name}' is not 0 where it says pruned")
    return {
        name: erased.mask.get(name, torch.zeros_like(weight, dtype=torch.bool)) for name, weight in published.items()
    }

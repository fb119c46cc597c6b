"""A model as its difference from a base: whole tensors of any component, only those that changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.io.safetensors import check_finite, check_floating, read_file, tensors_digest, write_tensors
from regrow.model.names import COMPONENTS, split

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

FORMAT = "regrow delta 2"


@dataclass(frozen=True)
class Delta:
    """What changed against a base.

    Attributes
    ----------
    tensors : dict of Tensor
        New values of the changed weights, whole, by name with component.
    base : str
        `regrow.model.pipelines.base_digest` of the only base it may be applied to.
    digest : str
        SHA-256 of base and tensors: the model's name in every result, whatever the file's bytes.
    """

    tensors: dict[str, Tensor]
    base: str
    digest: str


def write_delta(path: Path, tensors: Mapping[str, Tensor], base: str) -> str:
    """Write a delta and return its digest; the header says format and base and nothing else.

    Raises
    ------
    UserError
        No tensor, a name without component, a type that is not floating, NaN or infinity, or no space left.
    """
    if not tensors:
        raise UserError(f"{path}: nothing changed against the base, so there is no model to write")
    _check(path, tensors)
    check_finite(path, tensors.items())
    write_tensors(path, tensors, {"format": FORMAT, "base": base})
    return delta_digest(tensors, base)


def read_delta(path: Path) -> Delta:
    """Read a delta.

    Raises
    ------
    UserError
        Missing or damaged file, not a delta of regrow, a type that is not floating, NaN or infinity.
    """
    tensors, header = read_file(path)
    base = header.get("base")
    if header.get("format") != FORMAT or not isinstance(base, str):
        raise UserError(
            f"{path} is no delta of regrow ('{FORMAT}' with its base): a whole UNet, a state dict or a folder of "
            "save_pretrained is not taken here, nor a delta of the first edition, which is made anew"
        )
    if strange := set(header) - {"format", "base"}:
        raise UserError(
            f"{path}: the header says more than format and base ('{min(strange)}'), and what the publisher did is no "
            "attacker's to read: publish the model again"
        )
    if not tensors:
        raise UserError(f"{path} holds no weight: publish a model that differs from its base")
    _check(path, tensors)
    return Delta(tensors, base, delta_digest(tensors, base))


def delta_digest(tensors: Mapping[str, Tensor], base: str) -> str:
    """Return the digest of a model: of its base and of the tensors that differ."""
    return hashlib.sha256(f"{base} {tensors_digest(tensors)}".encode()).hexdigest()


def apply_delta(pipeline: StableDiffusionPipeline, delta: Delta, base: str) -> None:
    """Put the tensors of a delta into a pipeline, in place; nothing changes unless everything fits.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The base.
    delta : Delta
        What to put in; values take the pipeline's type.
    base : str
        `base_digest` of the pipeline.

    Raises
    ------
    UserError
        Another base, an unknown weight or another shape.
    """
    weights = _fitting(pipeline, delta, base)
    with torch.no_grad():
        for name, tensor in delta.tensors.items():
            weights[name].copy_(tensor)


class Swapper:
    """Put one delta after another into the same pipeline; the base's own weights come back bit for bit.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The base.
    base : str
        `base_digest` of the pipeline.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, base: str) -> None:
        self.pipeline, self._base = pipeline, base
        self._originals: dict[str, Tensor] = {}

    def put(self, delta: Delta | None) -> None:
        """Make the pipeline the model of `delta`, or the base when it is None."""
        fitting = {} if delta is None else _fitting(self.pipeline, delta, self._base)
        weights = _parameters(self.pipeline, self._originals)
        with torch.no_grad():
            for name, original in self._originals.items():
                weights[name].copy_(original)
        self._originals = {name: weight.detach().clone() for name, weight in fitting.items()}
        if delta is not None:
            apply_delta(self.pipeline, delta, self._base)


def _fitting(pipeline: StableDiffusionPipeline, delta: Delta, base: str) -> dict[str, Tensor]:
    """Return the pipeline's own parameters under the names of a delta that fits it."""
    called = f"the delta {delta.digest[:12]}"
    if delta.base != base:
        raise UserError(
            f"{called} belongs to base {delta.base[:12]}, not to {base[:12]}: load it on the model it was made from"
        )
    weights = _parameters(pipeline, delta.tensors)
    for name, tensor in delta.tensors.items():
        if weights[name].shape != tensor.shape:
            raise UserError(
                f"{called} gives '{name}' the shape {tuple(tensor.shape)}, but the base has "
                f"{tuple(weights[name].shape)}: use the delta of this model"
            )
    check_finite(called, delta.tensors.items())
    return weights


def _parameters(pipeline: StableDiffusionPipeline, names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    components = {split(name)[0] for name in names}
    known = {
        f"{component}.{name}": parameter
        for component in components
        for name, parameter in getattr(pipeline, component).named_parameters()
    }
    for name in names:
        if name not in known:
            raise UserError(f"the delta changes '{name}', which the pipeline has not: {nearest(name, known)}")
    return {name: known[name] for name in names}


def _check(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name in tensors:
        if split(name)[0] not in COMPONENTS:
            raise UserError(f"{path}: '{name}' names no component: {nearest(split(name)[0], COMPONENTS)}")
    check_floating(path, tensors.items())

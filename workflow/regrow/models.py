"""Load a pipeline; write and read a model as a delta against its base."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from regrow.confidence import MEANINGS, Meaning
from regrow.device import check_device
from regrow.errors import UserError, nearest
from regrow.files import digest, write_then_rename

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

FFN2 = ".ff.net.2.weight"
HEADER = "regrow"  # the one metadata key of our files: safetensors writes several keys in random order
UNET_WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Delta:
    """A model, told as its difference from a base.

    Attributes
    ----------
    tensors : dict of Tensor
        New float32 values of the changed weights, by their names in the UNet's state dict.
    base_digest : str
        `pipeline_digest` of the only base it may be applied to.
    recipe : dict
        What was done to the base, e.g. ``{"eraser": {"method": "conceptprune", ...}}``.
    digest : str
        SHA-256 of the file: the model's name in every result.
    """

    tensors: dict[str, Tensor]
    base_digest: str
    recipe: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Completed:
    """What a completer recovered, by weight name; all tensors have the weight's shape (d, 4d).

    Attributes
    ----------
    values : dict of Tensor
        float32; observed entries as published, missing entries recovered.
    confidence : dict of Tensor
        float32, at least 0; higher means a surer sign.
    missing : dict of Tensor
        bool; True where the attacker takes the entry for pruned.
    model_digest : str
        `Delta.digest` of the published model it was made from.
    confidence_is : str
        What `confidence` means; see `regrow.confidence`. Nothing but an order, unless the file says more.
    """

    values: dict[str, Tensor]
    confidence: dict[str, Tensor]
    missing: dict[str, Tensor]
    model_digest: str
    confidence_is: Meaning = "order"


def ffn2_names(unet: nn.Module) -> list[str]:
    """Return the sorted names of a UNet's FFN2 weights: 16 for Stable Diffusion 1.x (methods.md 1.1)."""
    return sorted(name for name, _ in unet.named_parameters() if name.endswith(FFN2))


def pipeline_digest(folder: Path) -> str:
    """Return one SHA-256 for the weights of a pipeline folder.

    It covers relative name and digest of every safetensors file of ``unet``, ``text_encoder`` and ``vae``, in sorted
    order.

    Raises
    ------
    UserError
        When one of the three holds no safetensors file.
    """
    total = hashlib.sha256()
    for part in ("text_encoder", "unet", "vae"):
        found = sorted((folder / part).glob("*.safetensors"))
        if not found:
            raise UserError(f"no safetensors file in {folder / part}: give the folder of a saved diffusers pipeline")
        for file in found:
            total.update(f"{file.relative_to(folder).as_posix()} {digest(file)}\n".encode())
    return total.hexdigest()


def load_pipeline(
    folder: Path, delta: Path | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> "StableDiffusionPipeline":
    """Load a saved pipeline, without safety checker and progress bars, and put a delta into its UNet.

    Parameters
    ----------
    folder : Path
        A folder that ``StableDiffusionPipeline.from_pretrained`` reads; nothing is fetched.
    delta : Path, optional
        A file of `save_delta`.
    device : str
        For example ``cpu`` or ``cuda``.
    dtype : torch.dtype
        Floating type to compute in; files in half precision are upcast.

    Raises
    ------
    UserError
        Missing, broken or non-finite weights, a delta that does not fit, or no such device.
    """
    check_device(device)
    if not (folder / "model_index.json").is_file():
        raise UserError(f"{folder} holds no diffusers pipeline (no model_index.json): correct the path")
    # Imported here: most stages only read and write weights, and diffusers takes seconds to import.
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(
            folder,
            dtype=dtype,
            safety_checker=None,
            requires_safety_checker=False,
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"cannot load the pipeline in {folder}: {reason}: restore the folder and run again") from error
    pipeline.set_progress_bar_config(disable=True)
    for part in ("text_encoder", "unet", "vae"):
        _check_finite(folder / part, getattr(pipeline, part).named_parameters())
    if delta is not None:
        apply_delta(pipeline.unet, load_delta(delta), pipeline_digest(folder))
    return pipeline.to(device)


def read_weights(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Read UNet weights of a pipeline folder as float32 without building the pipeline.

    Parameters
    ----------
    folder : Path
        The pipeline's folder; ``unet/`` may hold one safetensors file or shards with an index.
    names : iterable of str
        Names in the UNet's state dict.

    Raises
    ------
    UserError
        Missing or broken file, unknown name, NaN or infinity.
    """
    unet = folder / "unet"
    index = unet / f"{UNET_WEIGHTS}.index.json"
    shards = json.loads(index.read_text())["weight_map"] if index.is_file() else {}
    wanted: dict[Path, list[str]] = {}
    for name in names:
        if shards and name not in shards:
            raise UserError(f"{index} has no weight '{name}': {nearest(name, shards)}")
        wanted.setdefault(unet / shards.get(name, UNET_WEIGHTS), []).append(name)
    read = {name: tensor for file, part in wanted.items() for name, tensor in _read(file, part)[0].items()}
    return {name: tensor.float() for name, tensor in read.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file.

    Raises
    ------
    UserError
        Missing, corrupt or truncated file, NaN or infinity.
    """
    return _read(path)[0]


def read_mask(path: Path, model: Delta, other: bool = False) -> dict[str, Tensor]:
    """Read the mask that an eraser kept on the publisher's side.

    Parameters
    ----------
    path : Path
        mask.safetensors of erase_concept.
    model : Delta
        The published model.
    other : bool
        Whether the mask must be of another concept, erased from the same base, instead of this model's own.

    Returns
    -------
    dict of Tensor
        bool, True = pruned, for every FFN2 weight of `model`; a layer that the file lacks was not pruned.

    Raises
    ------
    UserError
        Missing, corrupt or truncated file, no mask of erase_concept, a mask of another base, erasing or shape, or one
        that prunes nothing.
    """
    found, header = _read(path)
    recipe = header.get("recipe", {})
    if "base" not in header or any(tensor.dtype != torch.bool for tensor in found.values()):
        raise UserError(f"{path} is no mask of erase_concept: give its mask.safetensors")
    if header["base"] != model.base_digest:
        raise UserError(
            f"{path} is a mask of base {header['base'][:12]}, not of {model.base_digest[:12]}: give another"
        )
    own = all(model.recipe.get(step) == told for step, told in recipe.items())
    if own == other:
        concept = recipe.get("concept")
        raise UserError(
            f"{path} is the mask of this very erasing of '{concept}': give that of another concept"
            if other
            else f"{path} is the mask of another erasing, of '{concept}': give the one written beside the erased model"
        )
    weights = {name: tensor for name, tensor in model.tensors.items() if name.endswith(FFN2)}
    for name, tensor in found.items():
        if name not in weights or tensor.shape != weights[name].shape:
            raise UserError(f"{path}: '{name}' is no mask of a weight of the model: give a mask of the same base")
    if not any(bool(tensor.any()) for tensor in found.values()):
        raise UserError(f"{path} prunes nothing, so there is nothing to find out: give the mask of a pruning eraser")
    return {name: found.get(name, torch.zeros_like(weight, dtype=torch.bool)) for name, weight in weights.items()}


def read_header(path: Path) -> dict[str, Any]:
    """Read what a safetensors file of ours says about itself, without its tensors.

    Raises
    ------
    UserError
        Missing, corrupt or truncated file.
    """
    return _read(path, ())[1]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any] | None = None) -> None:
    """Write tensors, and an optional JSON header, as safetensors in one step; the same content gives the same bytes."""
    metadata = None if header is None else {HEADER: json.dumps(header, sort_keys=True)}
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    write_then_rename(path, lambda temporary: temporary.write_bytes(content))


def save_delta(path: Path, tensors: Mapping[str, Tensor], base_digest: str, recipe: Mapping[str, Any]) -> None:
    """Write a delta; weights are stored as float32, for the margins of NMS vanish in half precision.

    Raises
    ------
    UserError
        NaN or infinity, or no space left.
    """
    full = {name: tensor.float() for name, tensor in tensors.items()}
    _check_finite(path, full.items())
    write_tensors(path, full, {"base": base_digest, "recipe": recipe})


def load_delta(path: Path) -> Delta:
    """Read a delta.

    Raises
    ------
    UserError
        Missing, corrupt or truncated file, not a delta, NaN or infinity.
    """
    tensors, header = _read(path)
    if not {"base", "recipe"} <= set(header):
        raise UserError(
            f"{path} does not name its base, so it is no delta of regrow: make it with erase_concept or revive_concept"
        )
    return Delta(
        {name: tensor.float() for name, tensor in tensors.items()}, header["base"], header["recipe"], digest(path)
    )


def apply_delta(unet: nn.Module, delta: Delta, base_digest: str) -> None:
    """Put the tensors of a delta into a UNet, in place.

    Parameters
    ----------
    unet : nn.Module
        The base's UNet; changed only when everything fits.
    delta : Delta
        From `load_delta`.
    base_digest : str
        `pipeline_digest` of the base that `unet` came from.

    Raises
    ------
    UserError
        Another base, an unknown weight, another shape, NaN or infinity.
    """
    if delta.base_digest != base_digest:
        raise UserError(
            f"the delta {delta.digest[:12]} belongs to base {delta.base_digest[:12]}, not to {base_digest[:12]}: "
            "load it on the pipeline it was made from"
        )
    weights = dict(unet.named_parameters())
    for name, tensor in delta.tensors.items():
        if name not in weights:
            raise UserError(
                f"the delta {delta.digest[:12]} changes '{name}', which the UNet has not: {nearest(name, weights)}"
            )
        if weights[name].shape != tensor.shape:
            raise UserError(
                f"the delta {delta.digest[:12]} gives '{name}' the shape {tuple(tensor.shape)}, but the UNet has "
                f"{tuple(weights[name].shape)}: use the delta of this model"
            )
    _check_finite(f"the delta {delta.digest[:12]}", delta.tensors.items())
    with torch.no_grad():
        for name, tensor in delta.tensors.items():
            weights[name].copy_(tensor)


def read_completed(path: Path, model: Delta) -> Completed:
    """Read values, ``{name}.confidence`` and ``{name}.missing`` of every FFN2 weight from a file of complete_weights.

    Parameters
    ----------
    path : Path
        The completed safetensors.
    model : Delta
        The published model it must have been made from.

    Raises
    ------
    UserError
        Missing, corrupt or truncated file, NaN or infinity, another model, a tensor that is absent or of another shape.
    """
    tensors, header = _read(path)
    if "model_digest" not in header:
        raise UserError(f"{path} does not name the model it completes: give a file of complete_weights")
    if header["model_digest"] != model.digest:
        raise UserError(
            f"{path} completes model {header['model_digest'][:12]}, not {model.digest[:12]}: "
            "run complete_weights on this model"
        )
    meaning = header.get("confidence_is", "order")
    if meaning not in MEANINGS:
        raise UserError(f"{path} tells an unknown confidence '{meaning}': run complete_weights again")
    completed = Completed({}, {}, {}, header["model_digest"], meaning)
    for name in sorted(name for name in model.tensors if name.endswith(FFN2)):
        for key in (name, f"{name}.confidence", f"{name}.missing"):
            if key not in tensors or tensors[key].shape != model.tensors[name].shape:
                shape = tuple(model.tensors[name].shape)
                raise UserError(f"{path} has no '{key}' of shape {shape}: run complete_weights again")
        completed.values[name] = tensors[name].float()
        completed.confidence[name] = tensors[f"{name}.confidence"].float()
        completed.missing[name] = tensors[f"{name}.missing"].bool()
    return completed


def _read(path: Path, names: Iterable[str] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors (all, or those named), checked to be finite, and our header ({} without one)."""
    if not path.is_file():
        raise UserError(f"{path} does not exist: run the stage that makes it, or correct the path")
    try:
        with safe_open(path, "pt") as file:
            present = list(file.keys())
            for name in names or ():
                if name not in present:
                    raise UserError(f"{path} has no weight '{name}': {nearest(name, present)}")
            tensors = {name: file.get_tensor(name) for name in (present if names is None else names)}
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is corrupt or cut short ({error}): delete it and make it again") from error
    _check_finite(path, tensors.items())
    return tensors, header


def _check_finite(where: object, tensors: Iterable[tuple[str, Tensor]]) -> None:
    for name, tensor in tensors:
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise UserError(
                f"{where}: '{name}' holds {bad} entries that are NaN or infinite: restore the file and run again"
            )

"""Read the weights of a stranger's file or component folder, without running what a pickle may hold."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from regrow.errors import UserError
from regrow.io.files import list_files, read_json
from regrow.io.safetensors import check_finite, read_tensors

SAFE = ".safetensors"
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")  # in the order in which diffusers and transformers look
VARIANTS = ("", ".fp16", ".bf16")


@dataclass(frozen=True)
class State:
    """What a file of weights holds.

    Attributes
    ----------
    tensors : dict of Tensor
        By the file's own names, in its order; those of nested dictionaries joined by dots.
    metadata : dict of str
        Of a safetensors file.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_state(path: Path) -> State:
    """Read a file of weights.

    Raises
    ------
    UserError
        No such file, another suffix, a damaged file, NaN, no tensor, or a pickle that holds more than tensors.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}: correct the path")
    if path.suffix == SAFE:
        tensors = read_tensors(path)
        metadata = read_metadata(path)
    elif path.suffix in PICKLES:
        tensors, metadata = _read_pickle(path), {}
        check_finite(path, tensors.items())
    else:
        kinds = ", ".join((SAFE, *PICKLES))
        raise UserError(f"{path} is no file of weights that is read here: give one that ends in {kinds}, or a folder")
    if not tensors:
        raise UserError(f"{path} holds no weights: give the file of a model")
    return State(tensors, metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the header of a safetensors file, {} where it has none or cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def component_files(folder: Path) -> list[Path]:
    """Return the files of weights that a component is loaded from: one, or the shards that an index names.

    As diffusers chooses them: safetensors before pickles, whole names before variants such as ``fp16``.

    Raises
    ------
    UserError
        No weights there, or a shard that is missing.
    """
    for variant in VARIANTS:
        for suffix in (SAFE, ".bin"):
            for stem in STEMS:
                single = folder / f"{stem}{variant}{suffix}"
                if single.is_file():
                    return [single]
                # The variant of an index stands before or behind its suffix, by the age of the library.
                for index in (folder / f"{stem}{suffix}.index{variant}.json", Path(f"{single}.index.json")):
                    if index.is_file():
                        return _shards(index)
    raise UserError(f"{folder} holds no weights under a name that diffusers loads: give the folder or file that does")


def weight_files(folder: Path) -> list[Path]:
    """Return every file below a folder that may hold weights."""
    return [path for path in list_files(folder) if path.suffix in (SAFE, *PICKLES)]


def _shards(index: Path) -> list[Path]:
    named = read_json(index, "index of shards").get("weight_map")
    if not isinstance(named, dict) or not named:
        raise UserError(f"{index} maps no weights to files: restore it")
    shards = [index.parent / str(name) for name in dict.fromkeys(named.values())]
    if absent := [path.name for path in shards if not path.is_file()]:
        raise UserError(f"{index} names the shard {absent[0]}, which is not there: restore it")
    return shards


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, AttributeError, ModuleNotFoundError) as error:
        raise UserError(
            f"{path} holds more than tensors, so reading it could run any code, and it is not read: "
            "save the model's state_dict as safetensors"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path} cannot be read ({reason}): restore it, or save it as safetensors") from error
    return {name.removeprefix("state_dict."): tensor for name, tensor in _tensors(content, "")}


def _tensors(content: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors of nested dictionaries and lists, under their keys joined by dots."""
    if isinstance(content, Tensor):
        yield name or "tensor", content.detach()
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _tensors(value, f"{name}.{number}" if name else str(number))

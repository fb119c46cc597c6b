"""Read and write safetensors files: ours carry one JSON object, everything is checked before it is believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.io.files import write_then_rename

HEADER = "regrow"  # one key: safetensors writes several in random order
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def read_header(path: Path) -> dict[str, Any]:
    """Return the JSON object that a safetensors file of ours carries, {} without one.

    Raises
    ------
    UserError
        Missing or damaged file, or a header that is no JSON object.
    """
    _, header = _read(path, ())
    return header


def read_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, all or those named.

    Raises
    ------
    UserError
        Missing or damaged file, unknown name, or a weight that is NaN or infinite.
    """
    tensors, _ = _read(path, names)
    return tensors


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return all tensors and the header; see `read_tensors` and `read_header`."""
    return _read(path, None)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any] | None = None) -> None:
    """Write tensors, and a JSON header, in one step; the same content gives the same bytes, signs of zeros included."""
    metadata = None if header is None else {HEADER: json.dumps(header, sort_keys=True)}
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    write_then_rename(path, lambda temporary: temporary.write_bytes(content))


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and bits of tensors, in the order of their names.

    It identifies weights whatever file they lie in: shards, another header or another order change nothing.
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def check_finite(where: object, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Raise a UserError when a floating tensor holds NaN or infinity."""
    for name, tensor in tensors:
        if tensor.is_meta:
            raise UserError(f"{where}: '{name}' holds no values: the file lacks this weight")
        if tensor.is_floating_point() and (bad := int((~torch.isfinite(tensor)).sum())):
            raise UserError(f"{where}: '{name}' holds {bad} entries that are NaN or infinite: restore the file")


def check_floating(where: object, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Raise a UserError when a weight is not of a floating type that its value can be read from."""
    for name, tensor in tensors:
        if tensor.dtype not in FLOATS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise UserError(
                f"{where}: '{name}' is of type {kind}, whose scale the file does not tell: give weights of a floating "
                "type (float32, float16, bfloat16)"
            )


def _read(path: Path, names: Iterable[str] | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if path.is_dir():
        raise UserError(f"{path} is a folder where a safetensors file is asked for: name the file in it")
    if not path.is_file():
        raise UserError(f"there is no {path}: run the stage that makes it, or correct the path")
    try:
        with safe_open(path, "pt") as file:
            present = list(file.keys())
            for name in names or ():
                if name not in present:
                    raise UserError(f"{path} has no weight '{name}': {nearest(name, present)}")
            tensors = {name: file.get_tensor(name) for name in (present if names is None else names)}
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path} cannot be read as safetensors ({reason}): if regrow made it, make it again; pickles (.pt, .ckpt) "
            "are not taken here"
        ) from error
    if not isinstance(header, dict):
        raise UserError(f"{path} carries a header that is no JSON object: give a file that regrow wrote")
    float8 = [name for name, tensor in tensors.items() if str(tensor.dtype).startswith("torch.float8")]
    if float8:
        raise UserError(f"{path}: '{float8[0]}' is of an 8-bit type: give weights in float16 or wider")
    check_finite(path, tensors.items())
    return tensors, header

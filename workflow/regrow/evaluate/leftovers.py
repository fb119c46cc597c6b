"""What else a published file may tell about weights that were taken out of it, beside the sign bits of its zeros.

Every function looks for one kind of leftover and knows nothing of the base model; `find_leftovers` runs them all. What
each found on which files is in docs/signed_zeros.md.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# Names under which training and pruning leave copies and traces of weights in a file.
TELLING = {
    r"(^|[._])weight_orig$": "the weights before pruning: torch.nn.utils.prune without prune.remove",
    r"(^|[._])\w+_mask$": "a pruning mask",
    r"(^|[._])(exp_avg|exp_avg_sq|max_exp_avg_sq|momentum_buffer|square_avg)$": "state of an optimiser",
    r"^optimizer": "state of an optimiser",
    r"(^|[._])(model_ema|ema|shadow_params?)([._]|$)": "averaged weights, which may be those from before the cut",
}
# What safetensors files of PyTorch, diffusers and regrow say of themselves in any case.
PLAIN_METADATA = {"format", "base"}
BITS = {torch.float16: torch.int16, torch.bfloat16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64}


@dataclass(frozen=True)
class Leftover:
    """One finding.

    Attributes
    ----------
    kind : str
        `nan_payload`, `subnormals`, `hidden_storage`, `name`, `metadata` or `order`.
    where : str
        The tensor or the key.
    count : int
        Entries, or bytes of hidden storage.
    note : str
        What it tells.
    """

    kind: str
    where: str
    count: int
    note: str


def find_leftovers(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> list[Leftover]:
    """Look for every kind of leftover in a file.

    Parameters
    ----------
    tensors : mapping of Tensor
        In the order of the file.
    metadata : mapping of str, optional
        Its header.
    """
    found = [
        *(Leftover("name", name, 1, note) for name, note in telling_names(tensors).items()),
        *(Leftover("metadata", key, 1, "says more than the format") for key in telling_metadata(metadata or {})),
        *(
            Leftover("order", name, 1, "stands out of order: written later")
            for dtype in dict.fromkeys(tensor.dtype for tensor in tensors.values())  # safetensors sorts by type first
            for name in out_of_order(name for name, tensor in tensors.items() if tensor.dtype == dtype)
        ),
    ]
    for name, tensor in tensors.items():
        if count := nan_payloads(tensor):
            found.append(Leftover("nan_payload", name, count, "NaNs of more than one kind hold bits of their own"))
        # Not vectors: a bias of attention keys gets no gradient and is as small by itself.
        count, expected = subnormals(tensor) if tensor.ndim > 1 else (0, 0.0)
        if count > 3 * expected + 10:  # far outside what chance makes of the expected count, large or small
            found.append(
                Leftover("subnormals", name, count, f"{expected:.0f} expected: scaled down, signs and sizes left")
            )
        if size := hidden_storage(tensor):
            found.append(Leftover("hidden_storage", name, size, "bytes saved beside the tensor that is shown"))
    return found


def nan_payloads(tensor: Tensor) -> int:
    """Count the NaNs whose bits differ from those of the first: each may hold a sign and a mantissa of its own.

    NaNs that arithmetic makes are all alike on one machine: a weight times NaN is that NaN, whatever its sign was.
    """
    if tensor.dtype not in BITS:
        return 0
    bits = tensor[tensor.isnan()].view(BITS[tensor.dtype])
    return int((bits != bits[:1]).sum())


def subnormals(tensor: Tensor) -> tuple[int, float]:
    """Count entries that are not 0 and below the smallest normal number, and how many a smooth density would have.

    A weight that was multiplied by a tiny number instead of 0 is one, with its sign and its size relative to others. At
    half precision (below 6e-5) some weights of any network are: the density between one and three times the limit,
    where it is flat, says how many.
    """
    if not tensor.is_floating_point():
        return 0, 0.0
    limit = torch.finfo(tensor.dtype).tiny
    size = tensor.detach().double().abs()
    count = int(((size > 0) & (size < limit)).sum())
    return count, int(((size >= limit) & (size < 3 * limit)).sum()) / 2


def hidden_storage(tensor: Tensor) -> int:
    """Return the bytes of a tensor's storage that it does not show: torch.save writes all of them for a view."""
    return max(0, tensor.untyped_storage().nbytes() - tensor.numel() * tensor.element_size())


def telling_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names under which a file holds what was there before the cut, and what each tells."""
    return {name: note for name in names for pattern, note in TELLING.items() if re.search(pattern, name)}


def telling_metadata(metadata: Mapping[str, str]) -> list[str]:
    """Return the keys of a header that say more than the format and the base."""
    return sorted(set(metadata) - PLAIN_METADATA)


def out_of_order(names: Iterable[str]) -> list[str]:
    """Return the names that stand behind a later one of the same file, where most are sorted; else none.

    A dictionary keeps the order in which its keys came, so tensors that were taken out and put back stand last. A file
    that was never sorted (a state dict in the order of its modules) tells nothing this way.
    """
    listed = list(names)
    late, largest = [], ""
    for name in listed:
        if name < largest:
            late.append(name)
        largest = max(largest, name)
    return late if 2 * len(late) < len(listed) else []

"""Tensors that compute on the CPU but claim to be elsewhere, so that a forgotten `.to(device)` shows without a GPU."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

# `meta` is the one device besides the CPU that every build of PyTorch knows.
ELSEWHERE = torch.device("meta")


class ElsewhereTensor(Tensor):
    """A tensor on the pretended device; holds its data in a tensor on the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "ElsewhereTensor":
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=ELSEWHERE
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """Inside, what is made with ``device=ELSEWHERE`` is there; every operation that mixes both places is refused.

    Attributes
    ----------
    fetched : list of int
        Entries of every tensor that was copied from there to the CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[int] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = torch.device(kwargs.get("device") or ELSEWHERE) != ELSEWHERE
        if function is torch.ops.aten._to_copy.default and isinstance(args[0], ElsewhereTensor) and leaves:
            self.fetched.append(args[0].numel())
        return run(function, args, kwargs)


def run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the CPU; refuse tensors from both places, as a GPU would."""
    flat, _ = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, Tensor)]
    there = [isinstance(tensor, ElsewhereTensor) for tensor in tensors]
    copies = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    strangers = [tensor for tensor, is_there in zip(tensors, there, strict=True) if not is_there and tensor.ndim]
    if any(there) and strangers and not copies:
        raise RuntimeError(
            f"{function} got tensors on the device and tensors {[s.shape for s in strangers]} on the CPU"
        )
    goes = kwargs.get("device")
    stays = any(there) if goes is None else torch.device(goes) == ELSEWHERE
    if goes is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(lambda v: v.inner if isinstance(v, ElsewhereTensor) else v, (args, kwargs))
    result = function(*plain_args, **plain_kwargs)
    if function._schema.is_mutable and tensors and result is plain_args[0]:
        return args[0]
    wrap = stays and function is not torch.ops.aten._local_scalar_dense.default
    return tree_map(lambda v: ElsewhereTensor(v) if wrap and isinstance(v, Tensor) else v, result)

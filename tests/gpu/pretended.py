"""A GPU that is not there: its tensors are those of PyTorch's FakeTensorMode, those of the CPU are real."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
aten = torch.ops.aten


class PretendedGpu(TorchDispatchMode):
    """Inside, an operation on tensors of the CPU and the GPU raises, as on a machine that has one.

    A fake tensor knows type, shape and device and has no values. What is copied from it to the CPU, or read of it
    (``float``, ``tolist``, ``if``), is ones, and of a mask half of the entries are True, whatever it was made of.

    Attributes
    ----------
    read : list of tuple
        Type and entries of every tensor that came from the GPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.read: list[tuple[torch.dtype, int]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        goes_there = device is not None and torch.device(device).type == "cuda"
        if not goes_there and not any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs))):
            with unset_fake_temporarily():
                return function(*args, **kwargs)
        if function.namespace == "aten":
            with self:  # inference mode hands on `if tensor`, `tensor[number]` and the like before they are taken apart
                parts = function.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        if function is aten._local_scalar_dense.default:
            number = self.fetch(args[0])
            with unset_fake_temporarily():
                return number.item()
        if function is aten.copy_.default and not isinstance(args[0], FakeTensor):
            with unset_fake_temporarily():
                return args[0].copy_(self.fetch(args[1]).expand_as(args[0]))
        if function in (aten.nonzero.default, aten.masked_select.default):
            return self._chosen(function, args)
        if function is aten.index.Tensor:  # how many a mask chooses is a matter of values, so it becomes numbers
            args = (args[0], [number for index in args[1] for number in self._numbers(index)])
        # FakeTensorMode lies below; what is on the CPU becomes fake for it, and is refused beside what is on the GPU.
        args, kwargs = tree_map(self._faked, (args, kwargs))
        found = function(*args, **kwargs)
        return tree_map(lambda one: self.fetch(one) if _is_here(one) else one, found)

    def _faked(self, value: Any) -> Any:
        real = isinstance(value, Tensor) and not isinstance(value, FakeTensor)
        return self.fake.from_tensor(value) if real else value

    def fetch(self, tensor: Tensor) -> Tensor:
        """Return what a program gets on the CPU of a tensor on the GPU."""
        self.read.append((tensor.dtype, tensor.numel()))
        with unset_fake_temporarily():
            return torch.ones(tuple(tensor.shape), dtype=tensor.dtype)

    def _chosen(self, function: Any, args: Any) -> Tensor:
        count = args[-1].numel() // 2
        if function is aten.nonzero.default:
            return torch.empty(count, args[0].ndim, dtype=torch.int64, device=args[0].device)
        return torch.empty(count, dtype=args[0].dtype, device=args[0].device)

    def _numbers(self, index: Tensor | None) -> list[Tensor | None]:
        if index is None or index.dtype != torch.bool:
            return [index]
        return list(self._chosen(aten.nonzero.default, (index,)).unbind(1))


def _is_here(found: Any) -> bool:
    return isinstance(found, FakeTensor) and found.device.type == "cpu"


@contextmanager
def pretended_gpu() -> Iterator[PretendedGpu]:
    """Pretend that there is a GPU for the length of a ``with`` block."""
    mode = PretendedGpu()

    def numpy(tensor: FakeTensor, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {tensor.device} device type tensor to numpy")

    FakeTensor.tolist, FakeTensor.numpy = lambda tensor: mode.fetch(tensor).tolist(), numpy
    try:
        with mode.fake, mode:
            yield mode
    finally:
        del FakeTensor.tolist, FakeTensor.numpy


def to_gpu(module: nn.Module, dtype: torch.dtype | None = None) -> None:
    """Put the weights of a module there, inside `pretended_gpu`; `Module.to` cannot change the kind of a parameter."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                made = torch.empty(weight.shape, dtype=dtype or weight.dtype, device=CUDA)
                part._parameters[name] = nn.Parameter(made, requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                kind = dtype if dtype is not None and buffer.is_floating_point() else buffer.dtype
                part._buffers[name] = torch.empty(buffer.shape, dtype=kind, device=CUDA)

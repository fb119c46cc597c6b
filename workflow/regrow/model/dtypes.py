"""In which type a changed weight is kept: the base's, unless that would round it."""

from __future__ import annotations

import torch
from torch import Tensor


def narrowed(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a weight in type `dtype` when that holds each of its values exactly, else as it is.

    A magnitude may need more than the base's type: Neuron-Max's margin of 1e-6 is lost in float16, and the smallest
    weights of a fill become 0 there.
    """
    if tensor.dtype == dtype:
        return tensor
    candidate = tensor.to(dtype)
    return candidate if torch.equal(candidate.to(tensor.dtype), tensor) else tensor

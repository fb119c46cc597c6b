"""What float32 means: docs/numerics.md says which stage computes in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_float32() -> Iterator[None]:
    """Multiply float32 in float32 for the length of a ``with`` block, and not in TF32, which keeps 10 bits of 23.

    PyTorch lets convolutions use TF32 unless it is told otherwise, and ``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE``, which some
    containers set, lets matrix products do so too.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = products.fp32_precision, convolutions.fp32_precision
    products.fp32_precision = convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        products.fp32_precision, convolutions.fp32_precision = before

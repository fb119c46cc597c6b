"""Take the sizes of rows and columns out of a matrix, which everyone sees and which tell nothing about signs."""

import torch
from torch import Tensor


def unit_scales(x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return scales of rows (m, 1) and columns (1, n) that give both unit mean square over observed entries.

    A row or column without any observed entry that is not 0 keeps the scale 1.
    """
    squares, weight = x.square(), observed.to(x.dtype)
    row, column = torch.ones_like(x[:, :1]), torch.ones_like(x[:1])
    for _ in range(4):
        mean = (squares / column.square() * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
        row = torch.where(mean > 0, mean.sqrt(), 1.0)
        mean = (squares / row.square() * weight).sum(0, keepdim=True) / weight.sum(0, keepdim=True).clamp_min(1)
        column = torch.where(mean > 0, mean.sqrt(), 1.0)
    return row, column

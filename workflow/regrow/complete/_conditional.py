"""Solve, column by column, the linear system of a Gaussian conditional mean.

Shared by the completers that model the columns of a matrix as draws from a Gaussian over its rows with precision P:
given the observed entries O of a column x, the missing entries M have mean -P_MM^-1 P_MO x_O and covariance P_MM^-1.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

ENTRIES_PER_BATCH = 4_000_000  # entries of all the padded P_MM in one batch: 16 MB in float32
RESIDUAL = 0.03  # of the preconditioned norm, at which conjugate gradients stop
MAX_PRODUCTS = 30


def column_batches(mask: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Group the columns of a mask that have missing entries, like counts together, in batches of bounded memory.

    Yields
    ------
    columns : Tensor
        int64, shape (batch,).
    rows : Tensor
        int64, shape (batch, width): the missing rows of each column, padded with row 0.
    valid : Tensor
        bool, shape (batch, width): False at the padding.
    """
    counts = mask.sum(0)
    order = torch.argsort(counts, stable=True)
    order = order[counts[order] > 0]
    sizes = counts[order].cpu().tolist()  # the one copy to the host: batches are cut by it
    end = len(sizes)
    while end > 0:
        width = sizes[end - 1]
        start = max(0, end - max(1, ENTRIES_PER_BATCH // width**2))
        # Padding costs the cube of the width, so a batch holds only columns of more than half its widest one.
        while sizes[start] * 2 < width:
            start += 1
        columns = order[start:end]
        # A stable sort puts the missing rows of every column first, in increasing order.
        rows = torch.argsort(mask[:, columns].T.to(torch.uint8), dim=1, descending=True, stable=True)[:, :width]
        valid = torch.arange(width, device=mask.device)[None, :] < counts[columns][:, None]
        yield columns, rows.masked_fill(~valid, 0), valid
        end = start


def missing_blocks(precision: Tensor, rows: Tensor, valid: Tensor) -> Tensor:
    """Return P_MM of every column of a batch, the padding replaced by the identity; shape (batch, width, width)."""
    block = precision[rows[:, :, None], rows[:, None, :]]
    block = block * (valid[:, :, None] & valid[:, None, :])
    block.diagonal(dim1=1, dim2=2).add_((~valid).to(block.dtype))
    return block


def conditional_step(precision: Tensor, gradient: Tensor, mask: Tensor) -> Tensor:
    """Return P_MM^-1 g_M for every column, 0 at observed entries.

    With gradient g = P X this is what has to be subtracted from the missing entries of X to arrive at the conditional
    mean.

    Parameters
    ----------
    precision : Tensor
        Shape (m, m), symmetric positive definite.
    gradient : Tensor
        Shape (m, n).
    mask : Tensor
        bool, shape (m, n), True = missing.
    """
    out = torch.zeros_like(gradient)
    for columns, rows, valid in column_batches(mask):
        factor = torch.linalg.cholesky(missing_blocks(precision, rows, valid))
        right = gradient[rows, columns[:, None]] * valid
        solved = torch.cholesky_solve(right[:, :, None], factor)[:, :, 0]
        # The padding points at row 0 and adds 0 there.
        out.index_put_((rows, columns[:, None].expand_as(rows)), solved * valid, accumulate=True)
    return out


def near_conditional_step(precision: Tensor, gradient: Tensor, mask: Tensor) -> Tensor:
    """Return `conditional_step` to within a few per cent by conjugate gradients, which are matrix products only.

    For all columns at once, each with its own step lengths, preconditioned by the diagonal; from 0, so that the result
    is a direction of descent wherever it stops. Parameters and shapes as in `conditional_step`.
    """
    some = mask.any(0)
    missing = mask[:, some]
    inverse = precision.diagonal().reciprocal()[:, None]
    residual = gradient[:, some] * missing
    solved, scaled = torch.zeros_like(residual), residual * inverse
    direction, size = scaled, (residual * scaled).sum(0)
    enough, tiny = RESIDUAL**2 * size.sum(), torch.finfo(size.dtype).tiny
    for _ in range(MAX_PRODUCTS):
        product = (precision @ direction) * missing
        length = size / (direction * product).sum(0).clamp_min(tiny)
        solved = solved + length * direction
        residual = residual - length * product
        scaled = residual * inverse
        before, size = size, (residual * scaled).sum(0)
        if size.sum() <= enough:
            break
        direction = scaled + size / before.clamp_min(tiny) * direction
    out = torch.zeros_like(gradient)
    out[:, some] = solved
    return out


def blocks_are_cheaper(mask: Tensor) -> bool:
    """Say whether factoring every P_MM costs less than a few products with P."""
    return float(mask.sum(0).double().pow(3).sum()) < mask.shape[0] * mask.numel()


def conditional_variance(precision: Tensor, mask: Tensor) -> Tensor:
    """Return the diagonal of P_MM^-1 for every column: the variance of each missing entry given the observed ones.

    Parameters and shapes as in `conditional_step`; 0 at observed entries.
    """
    out = torch.zeros(mask.shape, dtype=precision.dtype, device=precision.device)
    for columns, rows, valid in column_batches(mask):
        factor = torch.linalg.cholesky(missing_blocks(precision, rows, valid))
        variance = torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2)
        out.index_put_((rows, columns[:, None].expand_as(rows)), variance * valid, accumulate=True)
    return out

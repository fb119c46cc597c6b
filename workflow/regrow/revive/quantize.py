"""Quant Recover: 4-bit fake quantisation of the published FFN2 weights (methods.md 3.2)."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from regrow.errors import UserError, nearest
from regrow.methods import Count
from regrow.models import Completed

# Code values as published with bitsandbytes, as shares of a block's largest magnitude.
FP4 = (
    0.0,
    0.0625 / 12,
    2 / 12,
    3 / 12,
    4 / 12,
    6 / 12,
    8 / 12,
    1.0,
)  # 1 sign, 2 exponent and 1 mantissa bit, largest value 12
NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
SCHEMES = ("fp4_blocks", "int4_rows", "nf4_blocks")


def quantize(
    weights: Mapping[str, Tensor],
    completed: Completed | None = None,
    *,
    scheme: Literal["fp4_blocks", "int4_rows", "nf4_blocks"],
    block: Count | None = None,
) -> dict[str, Tensor]:
    """Round every FFN2 weight to 4 bits and back; exact zeros stay zeros, so only kept weights move.

    ``int4_rows`` is *faithful* to the published code of Roots Beneath the Cut. ``fp4_blocks`` and ``nf4_blocks`` are
    the protocol that its text cites (*interpretation*: bitsandbytes' defaults, blocks of 64 in row-major order, but of
    the FFN2 weights alone).

    Parameters
    ----------
    weights : mapping of Tensor
        Published weights, float32, (d, 4d).
    completed : Completed, optional
        Not used.
    scheme : str
        ``int4_rows``, ``fp4_blocks`` or ``nf4_blocks``.
    block : int, optional
        Weights per block, for the block schemes only.

    Returns
    -------
    dict of Tensor
        float32 weights that hold quantised values.

    Raises
    ------
    UserError
        Unknown scheme, or a block where none belongs or none where one does.
    """
    if scheme not in SCHEMES:
        raise UserError(f"reviver 'quantize' has no scheme '{scheme}': {nearest(scheme, SCHEMES)}")
    if scheme == "int4_rows":
        if block is not None:
            raise UserError("scheme 'int4_rows' takes whole rows: remove 'block' from its entry in params.yaml")
        return {name: int4_rows(weight) for name, weight in weights.items()}
    if block is None or block < 1:
        raise UserError(f"scheme '{scheme}' needs 'block', weights per block, of at least 1: bitsandbytes takes 64")
    by_blocks = fp4_blocks if scheme == "fp4_blocks" else nf4_blocks
    return {name: by_blocks(weight, block) for name, weight in weights.items()}


def int4_rows(weight: Tensor) -> Tensor:
    """Quantise each row: scale = max|w| / 7, q = floor(w / scale + 0.5) clamped to [-8, 7], w <- q scale.

    *faithful* to methods.md 3.2. A row of zeros, 0/0 upstream, stays as it is.
    """
    scale = weight.float().abs().amax(dim=1, keepdim=True) / 7
    safe = torch.where(scale > 0, scale, 1.0)
    return (weight.float() / safe + 0.5).floor().clamp(-8, 7) * scale


def fp4_blocks(weight: Tensor, block: int) -> Tensor:
    """Quantise to bitsandbytes' FP4: sign and the nearest of 8 magnitudes, the smaller one at a midpoint."""
    scaled, largest = _scaled_blocks(weight, block)
    return _from_blocks(scaled.sign() * _nearest_code(scaled.abs(), FP4) * largest, weight)


def nf4_blocks(weight: Tensor, block: int) -> Tensor:
    """Quantise to bitsandbytes' NF4: the nearest of 16 normal quantiles, the lower one at a midpoint."""
    scaled, largest = _scaled_blocks(weight, block)
    return _from_blocks(_nearest_code(scaled, NF4) * largest, weight)


def _nearest_code(scaled: Tensor, codes: tuple[float, ...]) -> Tensor:
    table = torch.tensor(codes, device=scaled.device)
    return table[torch.bucketize(scaled, (table[1:] + table[:-1]) / 2)]


def _scaled_blocks(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Cut into rows of `block`, the last one filled up with zeros, and divide each by its largest magnitude (n, 1)."""
    flat = weight.float().flatten()
    rows = functional.pad(flat, (0, -flat.numel() % block)).view(-1, block)
    largest = rows.abs().amax(dim=1, keepdim=True)
    return rows / torch.where(largest > 0, largest, 1.0), largest


def _from_blocks(rows: Tensor, weight: Tensor) -> Tensor:
    return rows.flatten()[: weight.numel()].view(weight.shape)

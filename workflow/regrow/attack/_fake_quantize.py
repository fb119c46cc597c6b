"""4-bit fake quantisation: round weights to a code and back (methods.md 3.2)."""

import torch
from torch import Tensor
from torch.nn import functional

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

"""What is missing from published weights, and how that shows to whoever has them, and perhaps a base or a mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.io.safetensors import read_tensors
from regrow.model.names import is_ffn2
from regrow.model.zeros import Zeros, count_zeros

LEAST = 100  # entries that an excess of small ones needs
TIMES = 2.0  # as many as in the next octave, where a smooth density has as many
DEVIATIONS = 5.0
OCTAVES = 40  # below a quarter of the root mean square
SPARSE = 0.5  # of a matrix: where more differs from the base, it was trained and not cut


class How(StrEnum):
    """How it shows that entries are missing."""

    ZEROS = "exact zeros"
    THRESHOLD = "far more tiny entries than a smooth density has"
    BASE = "the difference from the base"
    MASK = "the mask file"


@dataclass(frozen=True)
class Cut:
    """What is missing of one weight.

    Attributes
    ----------
    name : str
        With component.
    missing : Tensor
        bool, True = missing.
    how : How
        How it shows.
    zeros : Zeros
        The exact zeros among the missing entries.
    rows, columns : int
        Missing as a whole, which nothing in the matrix completes.
    completable : int
        Missing entries in a row and a column of which something is left.
    """

    name: str
    missing: Tensor
    how: How
    zeros: Zeros
    rows: int
    columns: int
    completable: int

    @property
    def count(self) -> int:
        """Missing entries."""
        return int(self.missing.sum())

    @property
    def is_attacked(self) -> bool:
        """Whether an attack here looks at this weight."""
        return is_ffn2(self.name)


def find_cuts(
    weights: Mapping[str, Tensor],
    structural: Mapping[str, Tensor],
    base: Mapping[str, Tensor] | None = None,
    mask: Mapping[str, Tensor] | None = None,
) -> list[Cut]:
    """Look for missing entries, weight by weight; a mask says more than zeros, these more than a base or a threshold.

    Parameters
    ----------
    weights : mapping of Tensor
        The published weights, by name with component; vectors are left out.
    structural : mapping of Tensor
        bool: zeros that are no cut.
    base : mapping of Tensor, optional
        The same weights of a public base.
    mask : mapping of Tensor, optional
        bool: the mask file.
    """
    cuts = []
    for name, weight in weights.items():
        if weight.ndim < 2:
            continue
        wired = structural.get(name, torch.zeros((), dtype=torch.bool)).expand(weight.shape)
        if mask is not None:
            found = (mask[name], How.MASK) if name in mask else None
        else:
            found = _from_zeros(weight, wired, None if base is None else base.get(name))
            if found is None and base is not None and name in base:
                found = _from_base(weight, base[name])
            if found is None and (threshold := tiny_below(weight[(weight != 0) & ~wired])):
                found = (weight.abs() <= threshold) & ~wired, How.THRESHOLD
        if found is not None and bool(found[0].any()):
            cuts.append(_cut(name, weight, *found))
    return cuts


def expected_zeros(weight: Tensor) -> int:
    """Return how many entries of an uncut weight are rounded to 0: half as many as to the smallest step beside it."""
    size = weight[weight != 0].abs()
    return math.ceil(int((size == size.min()).sum()) / 2) if size.numel() else 0


def tiny_below(weight: Tensor) -> float:
    """Return the magnitude below which entries are taken for a fill, 0.0 where nothing shows.

    Near 0 the density of weights that nobody touched is flat, so as many lie below x as between x and 2x. Noise in the
    place of what was cut, narrower than the weights, makes the first many more. With d the density between r/8 and r/4
    (r: root mean square), d x of the entries below x are weights and the rest is fill; of the x that show a fill, the
    one is returned below which fill outnumbers weights most. *interpretation* of methods.md 4, the audit point. A fill
    as wide as the weights does not show.
    """
    size = weight.detach().float().abs().flatten()
    root = float(size.square().mean().sqrt()) if size.numel() else 0.0
    if root == 0:
        return 0.0
    edges = root / 4 * 2.0 ** (-torch.arange(OCTAVES * 2, -1, -1) / 2)  # rising, two to the octave
    below = torch.bincount(torch.bucketize(size, edges), minlength=len(edges) + 1).cumsum(0)[:-1]
    steps, inner = edges[:-2], below[:-2]
    outer = below[2:] - inner
    shows = (inner >= LEAST) & (inner > TIMES * outer + DEVIATIONS * outer.sqrt())
    if not shows.any():
        return 0.0
    gain = inner - 2 * outer[-1] * steps / steps[-1]
    return float(steps[gain.masked_fill(~shows, -math.inf).argmax()])


def differs(weight: Tensor, base: Tensor) -> Tensor:
    """Return where a weight is not the base's, nor the base's rounded to half precision or bfloat16."""
    wide, published = base.float(), weight.float()
    return (published != wide) & (published != wide.half().float()) & (published != wide.bfloat16().float())


def read_mask(path: Path, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read a mask file: safetensors of bool, True = missing, by the weight's name with or without ``unet.``.

    Raises
    ------
    UserError
        A damaged file, a mask that is not bool, an unknown weight, another shape, or nothing marked.
    """
    found = {}
    for name, mask in read_tensors(path).items():
        whole = name if name in weights else f"unet.{name}"
        if mask.dtype != torch.bool:
            raise UserError(f"{path}: '{name}' is no mask of booleans: write True where a weight is missing")
        if whole not in weights:
            raise UserError(f"{path} names the weight '{name}', which the model lacks: {nearest(whole, weights)}")
        if mask.shape != weights[whole].shape:
            raise UserError(
                f"{path}: the mask of '{name}' has the shape {list(mask.shape)}, the weight "
                f"{list(weights[whole].shape)}: give the mask of this model"
            )
        found[whole] = mask
    if not any(bool(mask.any()) for mask in found.values()):
        raise UserError(f"{path} marks no entry, so it says nothing: give the mask of what was pruned, or leave it out")
    return found


def read_wired(path: Path | None, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a world's structural zeros as full masks, for the weights that they fit: the model may be another one."""
    if path is None:
        return {}
    fitting = {}
    for name, compact in read_tensors(path).items():
        with suppress(KeyError, RuntimeError):  # a weight that it lacks, or a shape that does not broadcast
            fitting[name] = compact.expand(weights[name].shape)
    return fitting


def _from_zeros(weight: Tensor, wired: Tensor, base: Tensor | None) -> tuple[Tensor, How] | None:
    zero = (weight == 0) & ~wired
    if base is not None:
        zero &= base != 0  # those of the base itself are no cut
    return (zero, How.ZEROS) if int(zero.sum()) > 3 * expected_zeros(weight) + 10 else None


def _from_base(weight: Tensor, base: Tensor) -> tuple[Tensor, How] | None:
    changed = differs(weight, base)
    return (changed, How.BASE) if 0 < float(changed.double().mean()) <= SPARSE else None


def _cut(name: str, weight: Tensor, missing: Tensor, how: How) -> Cut:
    flat = missing.flatten(1)
    rows, columns = flat.all(1), flat.all(0)
    completable = int((flat & ~rows[:, None] & ~columns).sum())
    zeros = count_zeros([weight[missing]])
    return Cut(name, missing, how, zeros, int(rows.sum()), int(columns.sum()), completable)

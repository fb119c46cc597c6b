"""Roots: keep the surest recovered signs and give each the magnitude of its row (methods.md 3.1 C and D)."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.models import Completed

MAGNITUDES = ("average", "completed", "max", "sample")
RANKS = ("confidence", "magnitude")


def roots(
    weights: Mapping[str, Tensor],
    completed: Completed | None,
    *,
    keep: float,
    magnitude: Literal["average", "completed", "max", "sample"],
    rank: Literal["confidence", "magnitude"],
    seed: int,
) -> dict[str, Tensor]:
    """Fill the missing entries of each FFN2 weight with a recovered sign and a magnitude of the same row.

    *faithful* to the published code (methods.md 3.1 C, D) with ``rank="magnitude"``; *variant* with
    ``rank="confidence"``, which ranks by the completer's own confidence. *interpretation*: a row draws one number for
    every entry missing in it, in column order, so the draw of an entry does not depend on `keep`. Upstream writes
    nothing for ``keep=1.0``, here it keeps every sign. Results are float32, upstream's float16, where the margin of
    `max` vanishes.

    With w the kept weights of a row, mu and sd their mean and population standard deviation, and z ~ N(mu, sd^2), the
    magnitude is max(|z|, max|w| (1 + 1e-6)) for `max` (neuron-max scaling), mean|w| for `average`, |z| for `sample`,
    and the recovered magnitude itself for `completed` ("Align").

    Parameters
    ----------
    weights : mapping of Tensor
        Published weights, float32, (d, 4d).
    completed : Completed
        The completer's result for the same names.
    keep : float
        K, the share of a layer's missing entries whose sign is kept, in (0, 1]; see `retained`.
    magnitude : str
        ``max``, ``average``, ``sample`` or ``completed``.
    rank : str
        ``magnitude`` ranks entries by the recovered |value|, ``confidence`` by the completer's confidence.
    seed : int
        Of the CPU generator (upstream: 2021), consumed in sorted layer order, row by row.

    Returns
    -------
    dict of Tensor
        float32 weights: published values where nothing was missing, 0 where the sign was dropped or recovered as 0.

    Raises
    ------
    UserError
        No completer, a wrong option, a completion of other weights, or a row with missing entries and nothing left.
    """
    if completed is None:
        raise UserError("reviver 'roots' needs completed weights: name a completer in its entry in params.yaml")
    if magnitude not in MAGNITUDES:
        raise UserError(f"reviver 'roots' has no magnitude '{magnitude}': {nearest(magnitude, MAGNITUDES)}")
    if rank not in RANKS:
        raise UserError(f"reviver 'roots' has no rank '{rank}': {nearest(rank, RANKS)}")
    if not 0 < keep <= 1:
        raise UserError(f"reviver 'roots' needs keep in (0, 1], got {keep}: correct params.yaml")
    if set(weights) != set(completed.values) or any(completed.values[n].shape != w.shape for n, w in weights.items()):
        raise UserError(
            "the completed weights are not those of the published model: run complete_weights on this very model"
        )
    generator = torch.Generator("cpu").manual_seed(seed)
    revived = {}
    for name in sorted(weights):
        weight, values, missing = weights[name].float(), completed.values[name], completed.missing[name]
        importance = values.abs() if rank == "magnitude" else completed.confidence[name]
        sign = torch.where(retained(importance, missing, keep), values.sign(), 0.0)
        size = (
            values.abs() if magnitude == "completed" else _row_magnitudes(weight, missing, magnitude, generator, name)
        )
        revived[name] = torch.where(missing, sign * size, weight)
    return revived


def retained(importance: Tensor, missing: Tensor, keep: float) -> Tensor:
    """Mark the missing entries of one layer whose sign is kept.

    *faithful* to methods.md 3.1 C: with N missing entries and k0 = int((1 - keep) N), every entry up to and including
    the k0-th smallest importance is dropped, ties too; k0 = 0 drops nothing.

    Parameters
    ----------
    importance : Tensor
        (d, 4d); only missing entries count.
    missing : Tensor
        bool, (d, 4d).
    keep : float
        K in (0, 1].

    Returns
    -------
    Tensor
        bool, (d, 4d); False wherever nothing is missing.
    """
    candidates = importance[missing]
    dropped = int((1 - keep) * candidates.numel())
    if not dropped:
        return missing.clone()
    return missing & (importance > candidates.kthvalue(dropped).values)


def _row_magnitudes(weight: Tensor, missing: Tensor, magnitude: str, generator: torch.Generator, name: str) -> Tensor:
    """Return (d, 4d) magnitudes, drawn where an entry is missing and 0 elsewhere."""
    sizes = torch.zeros_like(weight)
    for row in range(weight.shape[0]):
        gaps = missing[row]
        if not gaps.any():
            continue
        kept = weight[row, ~gaps]
        if not kept.numel():
            raise UserError(f"row {row} of {name} has no entry left to take a magnitude from: prune less of it")
        if magnitude == "average":
            sizes[row, gaps] = kept.abs().mean()
            continue
        mean, deviation = kept.mean(), kept.std(correction=0)
        drawn = (mean + deviation * torch.randn(int(gaps.sum()), generator=generator)).abs()
        sizes[row, gaps] = drawn if magnitude == "sample" else drawn.maximum(kept.abs().max() * (1 + 1e-6))
    return sizes

"""Roots: keep the surest recovered signs and give each the magnitude of its row (methods.md 3.1 C and D)."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from regrow.errors import UserError, nearest
from regrow.magnitudes import draw_rows, row_magnitudes
from regrow.methods import Seed, Share
from regrow.models import Completed
from regrow.revive._auto_keep import surest_signs

MAGNITUDES = ("average", "completed", "max", "sample")
RANKS = ("confidence", "magnitude")


def roots(
    weights: Mapping[str, Tensor],
    completed: Completed | None,
    *,
    keep: Share | Literal["auto"],
    magnitude: Literal["average", "completed", "max", "sample"],
    rank: Literal["confidence", "magnitude"],
    seed: Seed,
) -> dict[str, Tensor]:
    """Fill the missing entries of each FFN2 weight with a recovered sign and a magnitude of the same row.

    *faithful* to the published code (methods.md 3.1 C, D) with ``rank="magnitude"``; *variant* with
    ``rank="confidence"``, which ranks by the completer's own confidence, and with ``keep="auto"``. *interpretation*: a
    row draws one number for every entry missing in it, in column order, so the draw of an entry does not depend on
    `keep`. Upstream writes nothing for ``keep=1.0``, here it keeps every sign. Results are float32, upstream's float16,
    where the margin of `max` vanishes.

    With w the kept weights of a row, mu and sd their mean and population standard deviation, and z ~ N(mu, sd^2), the
    magnitude is max(|z|, max|w| (1 + 1e-6)) for `max` (neuron-max scaling), mean|w| for `average`, |z| for `sample`,
    and the recovered magnitude itself for `completed` ("Align").

    Parameters
    ----------
    weights : mapping of Tensor
        Published weights, float32, (d, 4d).
    completed : Completed
        The completer's result for the same names.
    keep : float or str
        K, the share of a layer's missing entries whose sign is kept, in (0, 1]; see `retained`. ``auto`` chooses it for
        each layer from the confidences; see `regrow.revive._auto_keep.surest_signs`.
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
    if keep != "auto" and not (isinstance(keep, int | float) and 0 < keep <= 1):
        raise UserError(f"reviver 'roots' needs keep in (0, 1] or 'auto', got {keep}: correct params.yaml")
    if keep == "auto" and rank != "confidence":
        raise UserError("reviver 'roots' with keep 'auto' goes by the surest signs: set its rank to confidence")
    if set(weights) != set(completed.values) or any(completed.values[n].shape != w.shape for n, w in weights.items()):
        raise UserError(
            "the completed weights are not those of the published model: run complete_weights on this very model"
        )
    surest = surest_signs(completed) if keep == "auto" else {}
    generator = torch.Generator("cpu").manual_seed(seed)
    revived = {}
    for name in sorted(weights):
        weight, values, missing = weights[name].float(), completed.values[name], completed.missing[name]
        importance = values.abs() if rank == "magnitude" else completed.confidence[name]
        kept = surest[name] if keep == "auto" else retained(importance, missing, keep)
        if magnitude == "completed":
            size = values.abs()
        else:
            drawn = draw_rows(weight, missing, generator, name)
            size = row_magnitudes(weight, missing, drawn, magnitude)
        revived[name] = torch.where(missing, torch.where(kept, values.sign(), 0.0) * size, weight)
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

"""How easily a filled cut is found: Eqs. 4 to 7 of Roots Beneath the Cut, and detectors measured on published weights.

A detector gives every entry, column or row of a published matrix a score, from that matrix alone; how well the score
tells the cut is measured with the publisher's mask, by the area under the ROC curve (AUROC: .5 is chance, 1 certainty).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.complete._mask import infer_mask
from regrow.complete._misfit import misfit
from regrow.complete._scaling import unit_scales
from regrow.errors import UserError

DETECTORS = {
    "layer": pa.string(),
    "detector": pa.string(),
    "unit": pa.string(),
    "n": pa.int64(),
    "n_pruned": pa.int64(),
    "auroc": pa.float64(),
    "precision": pa.float64(),
    "recall": pa.float64(),
}
PREMISE = {
    "layer": pa.string(),
    "n": pa.int64(),
    "n_pruned": pa.int64(),
    "std_observed": pa.float64(),
    "std_filled": pa.float64(),
    "skew": pa.float64(),
    "kurtosis": pa.float64(),
    "ks": pa.float64(),
    "half_zeros": pa.int64(),
}
LEADING = 8  # directions of a matrix that a pruned column may lie in less or more than others


def share_modified(alpha: float, modified: float, unmodified: float) -> float:
    """Return p, the share of modified entries among those in an interval (*faithful*, Eq. 4).

    Parameters
    ----------
    alpha : float
        Share of all entries that was modified.
    modified, unmodified : float
        Probability that a modified or an unmodified entry lies in the interval; or densities at a point.
    """
    total = alpha * modified + (1 - alpha) * unmodified
    return alpha * modified / total if total else alpha


def share_modified_normal(width: float, alpha: float, std_modified: float, std_unmodified: float) -> float:
    """Return p for the interval [-width, width] and two zero-mean Gaussians (*faithful*, Eq. 7)."""
    inside = [math.erf(width / (math.sqrt(2) * std)) for std in (std_modified, std_unmodified)]
    return share_modified(alpha, *inside)


def choose_sigma(p: float, width: float, alpha: float, std_unmodified: float) -> float:
    """Return the std of the fill at which Eq. 7 gives `p`: w / (sqrt 2 erfinv q) (*faithful*, its inverse).

    q = p (1 - alpha) erf(w / (sqrt 2 sigma_U)) / (alpha (1 - p)) is the share of the fill inside [-w, w].

    Raises
    ------
    UserError
        A share that is not between 0 and 1, a width or std that is not positive, or a p that no std reaches.
    """
    for name, value in (("p", p), ("alpha", alpha)):
        if not 0 < value < 1:
            raise UserError(f"{name} must lie between 0 and 1, but is {value:g}: give a share")
    for name, value in (("width", width), ("std_unmodified", std_unmodified)):
        if not value > 0 or math.isinf(value):
            raise UserError(f"{name} must be a positive number, but is {value:g}: give it in units of the weights")
    unmodified = math.erf(width / (math.sqrt(2) * std_unmodified))
    q = p * (1 - alpha) * unmodified / (alpha * (1 - p))
    if not 0 < q < 1:
        raise UserError(
            f"no std of the fill leaves a share of {p:g} modified entries within {width:g}: even if all of them lay "
            f"there, it would be {share_modified(alpha, 1.0, unmodified):.3g}: lower p"
        )
    return width / (math.sqrt(2) * float(torch.erfinv(torch.tensor(q, dtype=torch.float64))))


def premise(weight: Tensor, mask: Tensor) -> dict[str, Any]:
    """Return how far the observed entries of a layer are from the Gaussian that Eq. 5 takes them for.

    Parameters
    ----------
    weight : Tensor
        Published, (d, 4d).
    mask : Tensor
        bool, same shape, True = pruned.

    Returns
    -------
    dict
        n and n_pruned; std of observed and of filled entries; skew, excess kurtosis and Kolmogorov-Smirnov distance of
        the observed ones to the Gaussian of their mean and std; half_zeros, the pruned entries that are 0 in float16.
    """
    observed = weight[~mask].double()
    filled = weight[mask].double()
    mean, std = observed.mean(), observed.std(correction=0)
    z = ((observed - mean) / std.clamp_min(torch.finfo(torch.float64).tiny)).sort().values
    normal = torch.special.ndtr(z)
    step = torch.arange(len(z) + 1, dtype=torch.float64) / len(z)
    return {
        "n": weight.numel(),
        "n_pruned": int(mask.sum()),
        "std_observed": float(std),
        "std_filled": float(filled.std(correction=0)) if filled.numel() else 0.0,
        "skew": float(z.pow(3).mean()),
        "kurtosis": float(z.pow(4).mean()) - 3,
        "ks": float(torch.maximum((step[1:] - normal).max(), (normal - step[:-1]).max())),
        "half_zeros": int((filled.half() == 0).sum()),
    }


def detect(weight: Tensor, mask: Tensor) -> list[dict[str, Any]]:
    """Measure every detector on a layer: entry by entry, and pooled over columns and rows.

    A pooled unit counts as pruned when more than half of the most that was pruned of any such unit is pruned in it.

    Parameters
    ----------
    weight : Tensor
        Published, (d, 4d).
    mask : Tensor
        bool, same shape, True = pruned.

    Returns
    -------
    list of dict
        A row per detector and unit (entry, column, row): n, n_pruned, auroc (the larger of a score's and its
        opposite's: an attacker tries both; NaN where nothing or everything is pruned), precision and recall of the
        mask that the detector's own rule infers (NaN for a mere score).
    """
    scores = _scores(weight.float())
    rows = []
    for unit, dim in (("entry", None), ("column", 0), ("row", 1)):
        truth = mask.flatten() if dim is None else _mostly(mask, dim)
        for name, score in scores[unit].items():
            rows.append({"detector": name, "unit": unit, **_measured(score.flatten(), truth)})
    for name in ("zeros", "mixture"):
        found = infer_mask(weight, name)
        right = int((found.missing & mask).sum())
        rows.append(
            {
                "detector": name,
                "unit": "entry",
                **_measured(found.probability.flatten(), mask.flatten()),
                "precision": right / int(found.missing.sum()) if found.missing.any() else math.nan,
                "recall": right / int(mask.sum()) if mask.any() else math.nan,
            }
        )
    return rows


def auroc(score: Tensor, truth: Tensor) -> float:
    """Return the probability that a true unit scores above a false one, ties counted half; NaN without both kinds."""
    positive, negative = score[truth].double(), score[~truth].double().sort().values
    if not len(positive) or not len(negative):
        return math.nan
    below = torch.searchsorted(negative, positive) + torch.searchsorted(negative, positive, right=True)
    return float(below.double().mean()) / (2 * len(negative))


def _measured(score: Tensor, truth: Tensor) -> dict[str, Any]:
    area = auroc(score, truth)
    counts = {"n": truth.numel(), "n_pruned": int(truth.sum())}
    return {**counts, "auroc": max(area, 1 - area), "precision": math.nan, "recall": math.nan}


def _mostly(mask: Tensor, dim: int) -> Tensor:
    count = mask.sum(dim)
    return count > count.max() / 2


def _scores(weight: Tensor) -> dict[str, dict[str, Tensor]]:
    """Return the detectors' scores of a published matrix by unit; nothing here knows the mask."""
    everywhere = torch.ones_like(weight, dtype=torch.bool)
    row, column = unit_scales(weight, everywhere)
    y = weight / row / column
    residual = misfit(weight).square()
    leading = torch.linalg.svd(y, full_matrices=False)
    pooled: dict[str, Callable[[int], Tensor]] = {
        "norm": lambda dim: weight.square().sum(dim),
        "residual": lambda dim: residual.mean(dim),
        "kurtosis": lambda dim: _kurtosis((weight / row) if dim == 0 else weight / column, dim),
    }
    share = {
        0: leading.Vh[:LEADING].T.mul(leading.S[:LEADING]).square().sum(1) / y.square().sum(0).clamp_min(1e-12),
        1: leading.U[:, :LEADING].mul(leading.S[:LEADING]).square().sum(1) / y.square().sum(1).clamp_min(1e-12),
    }
    return {
        "entry": {"magnitude": -weight.abs(), "residual": residual},
        **{
            unit: {**{name: of(dim) for name, of in pooled.items()}, "leading": share[dim]}
            for unit, dim in (("column", 0), ("row", 1))
        },
    }


def _kurtosis(x: Tensor, dim: int) -> Tensor:
    squares = (x - x.mean(dim, keepdim=True)).square()
    return squares.square().mean(dim) / squares.mean(dim).square().clamp_min(1e-24)

"""Completers: fill the missing entries of one weight matrix.

One file per method. A method is a module `regrow.complete.<method>` with one public function of the same name

    <method>(weights, mask, seed, *, ...options) -> Completion

that receives a validated float32 matrix whose missing entries are 0 and whose observed entries have magnitude at most 1
(a power of two is taken out), both on the device where the work is to be done. `complete_matrix` does the rest.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regrow.confidence import Meaning
from regrow.device import check_device
from regrow.errors import UserError, nearest
from regrow.methods import find_method, method_names

HELPERS = {"mask"}  # modules of this package that are no methods


@dataclass(frozen=True)
class Completion:
    """One completed matrix.

    Attributes
    ----------
    values : Tensor
        float32, the shape of the input, on the CPU. Observed entries carry the input's values, bit for bit where
        float32 holds them.
    confidence : Tensor
        float32, same shape, at least 0, on the CPU. Higher means a surer sign; 0 at observed entries and where
        nothing is known. Only the order is comparable between methods, unless `confidence_is` says what it means.
    trace : list of dict
        One record per step: `step` (int), `objective` (float, the method's own, NaN where it has none), `change`
        (relative change of the matrix in the step), `seconds` since the start, `note` (str, a warning for the reader
        or empty).
    confidence_is : str
        What `confidence` means; see `regrow.confidence`.
    deviation : Tensor, optional
        float32, same shape, on the CPU: posterior standard deviation of the missing entries in the unit of the
        weights, 0 at observed entries, infinite where nothing is known. None for a method without a posterior.
    """

    values: Tensor
    confidence: Tensor
    trace: list[dict[str, Any]]
    confidence_is: Meaning = "order"
    deviation: Tensor | None = None


def record(step: int, objective: float, change: float, seconds: float, note: str = "") -> dict[str, Any]:
    """Return one record of a trace; see `Completion`."""
    return {"step": step, "objective": objective, "change": change, "seconds": seconds, "note": note}


def complete_matrix(
    weights: Tensor,
    mask: Tensor,
    method: str = "gaussian_posterior",
    seed: int = 0,
    device: str = "cpu",
    **options: Any,
) -> Completion:
    """Estimate the missing entries of a weight matrix.

    Parameters
    ----------
    weights : Tensor
        Shape (rows, columns), any floating dtype; all are computed in float32. Values at missing entries
        are ignored, but must be finite.
    mask : Tensor
        Same shape, bool or integer; True = missing.
    method : str
        A completer: `gaussian_posterior` (the strongest), `nuclear` (the paper's code), `soft_impute` (its text).
    seed : int
        For methods that draw random numbers; the same seed gives the same bytes.
    device : str
        Where to compute, e.g. `cpu` or `cuda`. The result is on the CPU.
    **options
        The method's own options.

    Returns
    -------
    Completion
        The result does not depend on the scale of `weights`. A row or column without any observed entry gets values
        and confidence 0 and a note in the trace.

    Raises
    ------
    UserError
        Unknown method or option, not a matrix, other shapes, NaN or infinite weights, nothing observed, no such device,
        or a result beyond float32.
    """
    if method in HELPERS:
        raise UserError(
            f"unknown completer '{method}': {nearest(method, set(method_names('regrow.complete')) - HELPERS)}"
        )
    function = find_method("regrow.complete", "completer", method, options)
    _check(weights, mask)

    check_device(device)
    source = weights.detach().to("cpu", torch.float32)
    missing = mask.detach().to("cpu").bool()
    observed = source.masked_fill(missing, 0.0)
    peak = float(observed.abs().max()) if observed.numel() else 0.0
    # A power of two is exact, keeps Gram matrices inside the range of float32 and makes every method blind to the
    # scale.
    scale = 2.0 ** min(math.ceil(math.log2(peak)), 127) if peak > 0 else 1.0  # 2^128 is infinite in float32
    notes = _notes(missing)
    if not missing.any() or peak == 0:
        note = "nothing is missing" if not missing.any() else "every observed entry is 0"
        return Completion(
            observed, torch.zeros_like(source), [record(0, math.nan, 0.0, 0.0, "; ".join([note, *notes]))]
        )

    done = function((observed / scale).to(device), missing.to(device), seed, **options)
    blank = missing.all(1, keepdim=True) | missing.all(0, keepdim=True)
    values = torch.where(missing, done.values.to("cpu", torch.float32) * scale, source).masked_fill(blank, 0.0)
    confidence = done.confidence.to("cpu", torch.float32).masked_fill(~missing | blank, 0.0)
    deviation = done.deviation
    if deviation is not None:
        deviation = (deviation.to("cpu", torch.float32) * scale).masked_fill(~missing, 0.0)
        deviation = deviation.masked_fill(missing & blank, math.inf)
    if not (torch.isfinite(values).all() and torch.isfinite(confidence).all()):
        raise UserError(
            f"completer '{method}' recovered a number beyond float32: divide the matrix by a power of two first"
        )
    trace = done.trace
    if notes:
        trace = [{**trace[0], "note": "; ".join(filter(None, [trace[0]["note"], *notes]))}, *trace[1:]]
    return Completion(values, confidence, trace, done.confidence_is, deviation)


def _check(weights: Tensor, mask: Tensor) -> None:
    if weights.ndim != 2:
        raise UserError(
            f"weights must be a matrix, but have shape {tuple(weights.shape)}: reshape them to (rows, columns) first"
        )
    if weights.shape != mask.shape:
        raise UserError(
            f"the mask has shape {tuple(mask.shape)} but the weights have {tuple(weights.shape)}: "
            "give the mask of this very matrix"
        )
    if not weights.is_floating_point():
        raise UserError(f"weights must be floating-point numbers, but are {weights.dtype}: convert them first")
    if mask.is_floating_point():
        raise UserError(f"the mask must be bool or integer, but is {mask.dtype}: threshold probabilities first")
    # Checked as float32, in which the work is done: a float64 weight of 1e300 is infinite there.
    bad = int((~torch.isfinite(weights.to(torch.float32))).sum())
    if bad:
        raise UserError(
            f"the weights hold {bad} entries that are NaN or infinite: repair the model file before completing it"
        )
    if bool(mask.bool().all()):
        raise UserError("no entry of the matrix is observed, so nothing can be inferred: check the mask")


def _notes(missing: Tensor) -> list[str]:
    notes = []
    for axis, name in ((1, "row"), (0, "column")):
        count = int(missing.all(axis).sum())
        if count:
            notes.append(
                f"{count} {name}{'s' if count > 1 else ''} without any observed entry: left at 0 with confidence 0"
            )
    return notes

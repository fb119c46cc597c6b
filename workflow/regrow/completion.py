"""Complete one matrix: check it, take its scale out, run a completer, put back what was observed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regrow.arithmetic import full_float32
from regrow.device import check_device
from regrow.errors import UserError
from regrow.methods import MethodOptions, load_method, parse_options
from regrow.model.completed import Meaning


@dataclass(frozen=True)
class Completion:
    """One completed matrix.

    Attributes
    ----------
    values : Tensor
        float32, the shape of the input, on the CPU. Observed entries carry the input's values, bit for bit where
        float32 holds them.
    certainty : Tensor
        float32, same shape, at least 0, on the CPU. Higher means a surer sign; 0 at observed entries and where nothing
        is known. Only the order is comparable between methods, unless `meaning` says what it is.
    trace : list of dict
        One record per step: `step` (int), `objective` (float, the method's own, NaN where it has none), `change`
        (relative change of the matrix in the step), `seconds` since the start, `note` (str, a warning or empty).
    meaning : str
        What `certainty` means; see `regrow.complete._certainty`.
    deviation : Tensor, optional
        float32, same shape, on the CPU: posterior standard deviation of the missing entries in the unit of the
        weights, 0 at observed entries, infinite where nothing is known. None for a method without a posterior.
    """

    values: Tensor
    certainty: Tensor
    trace: list[dict[str, Any]]
    meaning: Meaning = "order"
    deviation: Tensor | None = None


def record(step: int, objective: float, change: float, seconds: float, note: str = "") -> dict[str, Any]:
    """Return one record of a trace; see `Completion`."""
    return {"step": step, "objective": objective, "change": change, "seconds": seconds, "note": note}


def complete_matrix(
    weights: Tensor,
    mask: Tensor,
    method: str,
    options: MethodOptions | Mapping[str, Any],
    seed: int = 0,
    device: str = "cpu",
) -> Completion:
    """Estimate the missing entries of a weight matrix.

    Parameters
    ----------
    weights : Tensor
        Shape (rows, columns), any floating type; all are computed in float32. What stands at missing entries is not
        read, so it may be NaN.
    mask : Tensor
        Same shape, bool or integer; True = missing.
    method : str
        A completer: `gaussian_posterior` (the strongest), `nuclear` (the paper's code), `soft_impute` (its text).
    options : MethodOptions or mapping
        The completer's options, all of them.
    seed : int
        For completers that draw random numbers; the same seed gives the same bytes.
    device : str
        Where to compute, e.g. `cpu` or `cuda`. The result is on the CPU.

    Returns
    -------
    Completion
        It does not depend on the scale of `weights`. A row or column without any observed entry gets values and
        certainty 0 and a note in the trace.

    Raises
    ------
    UserError
        Unknown method or option, not a tensor, not a matrix, other shapes, an observed weight that is NaN or infinite,
        nothing observed, no such device, or a result beyond float32.
    """
    module = load_method("complete", method)
    if not isinstance(options, MethodOptions):
        options = parse_options("complete", method, options)
    _check(weights, mask)
    check_device(device)
    missing = mask.detach().to("cpu").bool()
    observed = weights.detach().to("cpu", torch.float32).masked_fill(missing, 0.0)
    bad = int((~torch.isfinite(observed)).sum())  # as float32: a float64 weight of 1e300 is infinite there
    if bad:
        raise UserError(
            f"the weights hold {bad} observed entries that are NaN or infinite: repair the model file first"
        )
    peak = float(observed.abs().max())
    notes = _notes(missing)
    if not missing.any() or peak == 0:
        note = "nothing is missing" if not missing.any() else "every observed entry is 0"
        trace = [record(0, math.nan, 0.0, 0.0, "; ".join([note, *notes]))]
        return Completion(observed, torch.zeros_like(observed), trace)

    # A power of two is exact, keeps Gram matrices inside float32 and makes every method blind to the scale.
    scale = 2.0 ** min(math.ceil(math.log2(peak)), 127)  # 2^128 is infinite in float32
    with full_float32():
        done: Completion = getattr(module, method)((observed / scale).to(device), missing.to(device), seed, options)
    blank = missing.all(1, keepdim=True) | missing.all(0, keepdim=True)
    values = torch.where(missing, done.values.to("cpu", torch.float32) * scale, observed).masked_fill(blank, 0.0)
    certainty = done.certainty.to("cpu", torch.float32).masked_fill(~missing | blank, 0.0)
    deviation = done.deviation
    if deviation is not None:
        deviation = (deviation.to("cpu", torch.float32) * scale).masked_fill(~missing, 0.0)
        deviation = deviation.masked_fill(missing & blank, math.inf)
    if not (torch.isfinite(values).all() and torch.isfinite(certainty).all()):
        raise UserError(
            f"completer '{method}' recovered a number beyond float32: divide the matrix by a power of two first"
        )
    trace = done.trace
    if notes:
        trace = [{**trace[0], "note": "; ".join(filter(None, [trace[0]["note"], *notes]))}, *trace[1:]]
    return Completion(values, certainty, trace, done.meaning, deviation)


def _check(weights: Tensor, mask: Tensor) -> None:
    for name, given in (("weights", weights), ("mask", mask)):
        if not isinstance(given, Tensor):
            raise UserError(f"{name} must be a torch tensor, not a {type(given).__name__}: use torch.as_tensor first")
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
    if mask.is_floating_point() or mask.is_complex():
        raise UserError(f"the mask must be bool or integer, but is {mask.dtype}: threshold probabilities first")
    if bool(mask.bool().all()):
        raise UserError("no entry of the matrix is observed, so nothing can be inferred: check the mask")


def _notes(missing: Tensor) -> list[str]:
    notes = []
    for axis, name in ((1, "row"), (0, "column")):
        count = int(missing.all(axis).sum())
        if count:
            plural = "s" if count > 1 else ""
            notes.append(f"{count} {name}{plural} without any observed entry cannot be completed: left at 0")
    return notes

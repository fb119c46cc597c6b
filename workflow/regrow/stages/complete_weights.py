"""Stage `complete_weights`: estimate the pruned entries of a published model.

The attacker's side of the wall: reads the published delta and nothing else.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from regrow.arithmetic import full_float32
from regrow.completion import Completion, complete_matrix
from regrow.errors import UserError
from regrow.io.parquet import write_table
from regrow.methods import MethodOptions, knowledge_of, load_method, parse_options
from regrow.model.completed import Completed, write_completed
from regrow.model.published import PublishedWeights, read_published, require_ffn2
from regrow.model.sibling import read_sibling, require_sibling
from regrow.model.zeros import count_zeros
from regrow.stages._progress import progress

TRACE = pa.schema(
    [
        ("layer", pa.string()),
        ("step", pa.int64()),
        ("objective", pa.float64()),
        ("change", pa.float64()),
        ("seconds", pa.float64()),
        ("note", pa.string()),
    ]
)
log = logging.getLogger(__name__)


def run(
    model: Path,
    method: str,
    options: dict[str, Any],
    out: Path,
    trace_out: Path,
    seed: int,
    device: str,
    jobs: int,
    mask: dict[str, Any] | None = None,
    sibling: Path | None = None,
) -> None:
    """Complete every FFN2 matrix of a published model.

    Parameters
    ----------
    model : Path
        The published delta.
    method : str
        A completer, a file of regrow/complete.
    options : dict
        The completer's options, all of them.
    out : Path
        completed.safetensors; see regrow.model.completed. The same inputs and seed give the same bytes, whatever
        `jobs`.
    trace_out : Path
        Parquet with columns layer, step, objective, change, seconds, note.
    seed : int
        For completers that draw random numbers.
    device : str
        Where to compute, e.g. cpu or cuda.
    jobs : int
        Layers completed at the same time, on cpu only; each uses one core.
    mask : dict, optional
        An entry of infer_mask (name, method and options): what tells the pruned entries. Without it they are taken to
        be the exact zeros.
    sibling : Path, optional
        Pipeline of a sibling of the base, for a mask inference that knows one.

    Raises
    ------
    UserError
        No FFN2 weight in the model, no exact zero in any where these are the mask, a sibling that does not fit or that
        the mask inference does not know, a matrix that the completer refuses.
    """
    if jobs < 1:
        raise UserError(f"complete_weights needs at least 1 job, but got {jobs}: give a positive number")
    parsed = parse_options("complete_weights", method, options)
    published = read_published(model)
    require_ffn2(published, model)
    weights = published.ffn2
    infer = mask or {"name": "zeros", "method": "zeros"}
    masks = _infer(published, infer, sibling)
    if not any(missing.any() for missing in masks.values()):
        if infer["method"] != "zeros":  # an attacker who finds nothing leaves the model as it is
            log.warning("%s: mask '%s' takes nothing for pruned", model, infer["name"])
        else:
            raise UserError(
                f"{model} has no pruned entries (no FFN2 weight is exactly 0), so there is nothing to complete: "
                "give a pruned model, or leave out the attacks that complete it"
            )
    zeros = count_zeros(weights.values())
    signs = {name: note for name, weight in weights.items() if (note := _sign_note(weight))}
    if zeros.tell_signs:
        log.warning(
            "%s: %d of %d zeros are -0.0: attack signed_zeros reads every sign", model, zeros.negative, zeros.total
        )

    done: dict[str, Completion] = {}
    # Biggest first: the last layers to finish are then small, and no core waits long.
    order = sorted(weights, key=lambda name: -_cost(weights[name]))
    workers = jobs if device == "cpu" else 1
    with (
        progress([_cost(weights[name]) for name in order]) as shown,
        _one_thread_each(),
        full_float32(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        tasks = {
            pool.submit(_complete, f"{model}, {name}", weights[name], masks[name], method, seed, device, parsed): name
            for name in order
        }
        try:
            for task in as_completed(tasks):
                name = tasks[task]
                done[name] = task.result()
                notes = [record["note"] for record in done[name].trace]
                shown.advance(name, _cost(weights[name]), [*notes, signs.get(name, "")])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    header = {
        "completer": {"method": method, **parsed.model_dump(mode="json")},
        "seed": seed,
        "mask": mask,
        "zeros": {"ffn2": zeros.total, "negative": zeros.negative},
    }
    names = list(weights)
    for read in (weights, published.tensors):  # writing takes as much memory again as what is written
        read.clear()
    completed = Completed(
        {name: done[name].values.contiguous() for name in names},
        {name: done[name].certainty.contiguous() for name in names},
        masks,
        published.digest,
        # A layer with nothing to complete has no certainty, and its "order" claims nothing.
        next((layer.meaning for layer in done.values() if layer.meaning != "order"), "order"),
    )
    write_completed(out, completed, header)
    steps = [{"layer": name, **record} for name in names for record in done[name].trace]
    steps += [
        {"layer": name, "step": 0, "objective": None, "change": None, "seconds": 0.0, "note": note}
        for name, note in signs.items()
    ]
    write_table(trace_out, pa.Table.from_pylist(steps, schema=TRACE), {"model": published.digest, **header})


def _infer(published: PublishedWeights, mask: dict[str, Any], sibling: Path | None) -> dict[str, Tensor]:
    options = {key: value for key, value in mask.items() if key not in ("name", "method")}
    parsed, module = parse_options("infer_mask", mask["method"], options), load_method("infer_mask", mask["method"])
    require_sibling(f"mask '{mask['name']}'", knowledge_of(module), sibling)
    known = [] if sibling is None else [read_sibling(sibling, published).weights]
    found: dict[str, Tensor] = getattr(module, mask["method"])(published.ffn2, parsed, *known)
    return found


def _complete(
    where: str, weights: Tensor, mask: Tensor, method: str, seed: int, device: str, options: MethodOptions
) -> Completion:
    try:
        # The file holds no deviations; at Stable Diffusion's size they would take 200 MB until it is written.
        return replace(complete_matrix(weights, mask, method, options, seed, device), deviation=None)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _sign_note(weight: Tensor) -> str:
    """Return what the sign bits of a layer's zeros tell, empty when they tell nothing."""
    zeros = count_zeros([weight])
    if not zeros.tell_signs:
        return ""
    return f"{zeros.negative} of {zeros.total} zeros are -0.0, so every zero tells the sign of what was pruned"


def _cost(weights: Tensor) -> float:
    """Return the relative cost of one matrix: that of its Gram matrix on the smaller side."""
    return float(min(weights.shape)) * weights.numel()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let every layer compute on one thread: rounding then does not depend on `jobs`, and cores are not fought over."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""Stage `complete_weights`: estimate the pruned entries of a published model.

The attacker's side of the wall: reads the published delta and nothing else.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from regrow.complete import Completion, complete_matrix
from regrow.complete.mask import infer_mask
from regrow.errors import UserError
from regrow.files import write_then_rename
from regrow.models import FFN2, load_delta, write_tensors

TRACE_COLUMNS = {"layer": str, "step": int, "objective": float, "change": float, "seconds": float, "note": str}


def run(
    model: Path, method: str, options: dict[str, Any], out: Path, trace_out: Path, seed: int, device: str, jobs: int
) -> None:
    """Complete every FFN2 matrix of a published model.

    Parameters
    ----------
    model : Path
        The published delta. Its pruned entries are taken to be its exact zeros.
    method : str
        A completer; see `regrow.complete`.
    options : dict
        The completer's own options.
    out : Path
        Safetensors. For each FFN2 weight: `{name}` float32 completed values (observed entries untouched),
        `{name}.confidence` float32 (0 at observed entries), `{name}.missing` uint8 inferred mask. The header tells what
        the confidence means (`regrow.confidence`). The same inputs and seed give the same bytes, whatever `jobs`.
    trace_out : Path
        Parquet with columns layer, step, objective, change, seconds, note.
    seed : int
        For completers that draw random numbers.
    device : str
        Where to compute, e.g. `cpu` or `cuda`.
    jobs : int
        Layers completed at the same time, on `cpu` only; each uses one core.

    Raises
    ------
    UserError
        No FFN2 weight in the model, no pruned entry in any, a matrix that the completer refuses.
    """
    if jobs < 1:
        raise UserError(f"complete_weights needs at least 1 job, but got {jobs}: give a positive number")
    delta = load_delta(model)
    names = sorted(name for name in delta.tensors if name.endswith(FFN2))
    if not names:
        raise UserError(
            f"{model} holds no FFN2 weight (a name that ends in '{FFN2}'): publish the model as a delta of all of them"
        )
    weights = {name: delta.tensors[name].to(torch.float32) for name in names}
    masks = {name: infer_mask(weights[name]).missing for name in names}
    if not any(mask.any() for mask in masks.values()):
        raise UserError(
            f"{model} has no pruned entries (no FFN2 weight is exactly 0), so there is nothing to complete: "
            "give a pruned model, or drop the reviver from this recipe"
        )

    done: dict[str, Completion] = {}
    # Biggest first: the last layers to finish are then small, and no core waits long.
    order = sorted(names, key=lambda name: -_cost(weights[name]))
    workers = jobs if device == "cpu" else 1
    with (
        _progress([_cost(weights[name]) for name in order]) as progress,
        _one_thread_each(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        tasks = {
            pool.submit(_complete, f"{model}, {name}", weights[name], masks[name], method, seed, device, options): name
            for name in order
        }
        try:
            for task in as_completed(tasks):
                name = tasks[task]
                done[name] = task.result()
                progress.advance(name, _cost(weights[name]), [record["note"] for record in done[name].trace])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    header = {"model_digest": delta.digest, "method": method, "options": options, "seed": seed}
    for read in (weights, delta.tensors):  # writing takes as much memory again as what is written
        read.clear()
    tensors: dict[str, Tensor] = {}
    for name in names:
        tensors[name] = done[name].values.contiguous()
        tensors[f"{name}.confidence"] = done[name].confidence.contiguous()
        tensors[f"{name}.missing"] = masks[name].to(torch.uint8)
    # A layer with nothing to complete has no confidence, and its "order" claims nothing.
    meaning = next((layer.confidence_is for layer in done.values() if layer.confidence_is != "order"), "order")
    write_tensors(out, tensors, {**header, "confidence_is": meaning})
    steps = [{"layer": name, **record} for name in names for record in done[name].trace]
    table = pd.DataFrame(steps, columns=list(TRACE_COLUMNS)).astype(TRACE_COLUMNS)
    write_then_rename(trace_out, lambda path: table.to_parquet(path, index=False))


def _complete(
    where: str, weights: Tensor, mask: Tensor, method: str, seed: int, device: str, options: dict[str, Any]
) -> Completion:
    try:
        # The file holds no deviations; at Stable Diffusion's size they would take 200 MB until it is written.
        return replace(complete_matrix(weights, mask, method, seed, device, **options), deviation=None)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


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


class _Lines:
    """Progress for a log file: one line per finished layer, with the expected time of the rest."""

    def __init__(self, costs: list[float], console: Console) -> None:
        self.total, self.count, self.console = sum(costs), len(costs), console
        self.spent, self.finished, self.start = 0.0, 0, time.perf_counter()

    def advance(self, name: str, cost: float, notes: list[str]) -> None:
        """Tell that a layer is finished, and what its trace has to say."""
        self.spent += cost
        self.finished += 1
        elapsed = time.perf_counter() - self.start
        rest = elapsed * (self.total - self.spent) / self.spent
        self.show(f"completed {self.finished}/{self.count}, {elapsed:.0f} s so far, about {rest:.0f} s to go", name)
        for note in filter(None, notes):
            self.console.print(f"{name}: {note}", soft_wrap=True, highlight=False, markup=False)

    def show(self, text: str, name: str) -> None:
        """Print the state."""
        self.console.print(f"{text}: {name}", soft_wrap=True, highlight=False, markup=False)


class _Bar(_Lines):
    """Progress for a terminal: the same numbers beside a bar that is redrawn; notes scroll by above it."""

    def __init__(self, costs: list[float], progress: Progress) -> None:
        super().__init__(costs, progress.console)
        self.progress = progress
        self.task = progress.add_task(f"completing {self.count} layers", total=self.total)

    def show(self, text: str, name: str) -> None:
        """Redraw the bar."""
        self.progress.update(self.task, completed=self.spent, description=text)


@contextmanager
def _progress(costs: list[float]) -> Iterator[_Lines]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(costs, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(costs, progress)

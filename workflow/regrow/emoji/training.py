"""One training loop for every model of the emoji world: seeded, resumable after a kill, with a learning curve."""

import csv
import hashlib
import math
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from regrow.errors import UserError
from regrow.io.files import file_digest, list_files, write_then_rename

CODE = Path(__file__).parent  # the room that made the emoji world


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes
    ----------
    steps, batch : int
        Optimiser steps and pictures per step.
    learning_rate : float
        Peak of a linear warm-up (2 % of the steps) and cosine decay to a fiftieth.
    seed : int
        Step ``i`` draws from a generator seeded by (seed, i), so a resumed run sees the same pictures.
    ema : float
        Decay of the averaged weights; 0 keeps none.
    checkpoint_every : int
        Steps between checkpoints.
    """

    steps: int
    batch: int
    learning_rate: float
    seed: int
    ema: float = 0.0
    checkpoint_every: int = 250

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Schedule":
        """Return a schedule from settings by name; a missing or unknown one is a UserError."""
        try:
            return cls(**settings)
        except TypeError as error:
            reason = str(error).removeprefix("Schedule.__init__() ")
            raise UserError(
                f"the schedule {dict(settings)} {reason}: see train_world in config/worlds/emoji.yaml"
            ) from error

    def rate(self, step: int) -> float:
        """Return the learning rate of one step."""
        warm = max(1, self.steps // 50)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def work_folder(work: Path, *made_from: object) -> Path:
    """Return the folder under `work` for a training of this code on these inputs: what differs in them starts afresh.

    Parameters
    ----------
    work : Path
        Folder of all trainings of the stage.
    *made_from : object
        Files, folders and settings that the trained weights depend on, beside the schedule.
    """
    sources: list[object] = [file_digest(path) for path in sorted(CODE.glob("*.py"))]
    for source in made_from:
        if isinstance(source, Path):
            sources += [file_digest(path) for path in (list_files(source) if source.is_dir() else [source])]
        else:
            sources.append(source)
    return work / hashlib.sha256(repr(sources).encode()).hexdigest()[:12]


def train(
    model: nn.Module,
    loss_of: Callable[[int, torch.Generator], torch.Tensor],
    schedule: Schedule,
    folder: Path,
    after_checkpoint: Callable[[nn.Module, int], None] | None = None,
) -> nn.Module:
    """Train `model` in place, resuming from ``folder/checkpoint.pt`` when it is there.

    Parameters
    ----------
    model : nn.Module
        Module that holds every trained parameter.
    loss_of : callable
        Given the number of pictures and a seeded generator, returns the scalar loss of one step.
    schedule : Schedule
        Steps, batch, rate, seed, averaging.
    folder : Path
        Receives ``checkpoint.pt`` and ``curve.csv`` (step, pictures, loss, learning_rate, seconds).
    after_checkpoint : callable, optional
        Called with the (averaged) model and the step, for sample sheets.

    Returns
    -------
    nn.Module
        `model`, holding the averaged weights when ``schedule.ema`` is set.

    Raises
    ------
    UserError
        When the loss is not finite, naming the step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=schedule.learning_rate, weight_decay=1e-2, betas=(0.9, 0.99))
    average = {k: v.detach().clone() for k, v in model.state_dict().items()} if schedule.ema else {}
    first, curve = 0, []
    checkpoint = folder / "checkpoint.pt"
    state = _read_checkpoint(checkpoint, schedule)
    if state is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average, first, curve = state["average"], state["step"], state["curve"]
        console.print(f"{folder.name}: resumed at step {first} of {schedule.steps}")
    parameters = sum(p.numel() for p in model.parameters())
    console.print(
        f"{folder.name}: {parameters / 1e6:.2f} M parameters, {schedule.steps} steps of {schedule.batch} pictures"
    )
    started, running = time.monotonic(), 0.0
    model.train()
    for step in range(first, schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        generator = torch.Generator().manual_seed(schedule.seed * 1_000_003 + step)
        torch.manual_seed(schedule.seed * 1_000_003 + step)  # for layers that draw from the global generator
        loss = loss_of(schedule.batch, generator)
        if not torch.isfinite(loss):
            raise UserError(
                f"{folder.name}: the loss is {loss.item()} at step {step}: lower the learning rate and start afresh"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if average:
            decay = min(schedule.ema, (step + 1) / (step + 10))  # short runs are not averaged with noise
            for key, value in model.state_dict().items():
                if value.is_floating_point():
                    average[key].lerp_(value, 1 - decay)
                else:
                    average[key].copy_(value)
        running += loss.item()
        last = step + 1 == schedule.steps
        if (step + 1) % schedule.checkpoint_every == 0 or last:
            done = step + 1 - first
            seconds = time.monotonic() - started
            mean = running / (done if done < schedule.checkpoint_every else schedule.checkpoint_every)
            curve.append(
                [step + 1, (step + 1) * schedule.batch, round(mean, 6), schedule.rate(step), round(seconds, 1)]
            )
            running = 0.0
            left = seconds / done * (schedule.steps - step - 1)
            speed = f"{done * schedule.batch / seconds:.0f} pictures/s, {left / 60:.1f} min left"
            console.print(f"{folder.name}: step {step + 1}, loss {mean:.5f}, {speed}")
            state = {
                "schedule": asdict(schedule),
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average,
                "step": step + 1,
                "curve": curve,
            }
            write_then_rename(checkpoint, lambda path, state=state: torch.save(state, path))  # type: ignore[misc]
            _write_curve(folder / "curve.csv", curve)
            if after_checkpoint is not None:
                _with_weights(model, average, lambda step=step: after_checkpoint(model, step + 1))  # type: ignore[misc]
    if average:
        model.load_state_dict(average)
    return model.eval()


def _read_checkpoint(path: Path, schedule: Schedule) -> dict[str, Any] | None:
    """Return the state of an interrupted run of the same schedule; another schedule or a damaged file starts afresh."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    return state if state["schedule"] == asdict(schedule) else None


def _with_weights(model: nn.Module, weights: dict[str, torch.Tensor], call: Callable[[], None]) -> None:
    """Call with the averaged weights in place, then put the trained ones back."""
    own = {k: v.detach().clone() for k, v in model.state_dict().items()}
    if weights:
        model.load_state_dict(weights)
    model.eval()
    with torch.no_grad():
        call()
    model.load_state_dict(own)
    model.train()


def _write_curve(path: Path, curve: list[list[float]]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["step", "pictures", "loss", "learning_rate", "seconds"])
            writer.writerows(curve)

    write_then_rename(path, write)

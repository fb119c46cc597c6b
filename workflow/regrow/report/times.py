"""How long completing and attacking a model took, from what Snakemake wrote beside the logs of this folder."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median

from regrow.plan.addresses import Model
from regrow.plan.audit import Audit

LOGS = Path("logs")
PAPER = (
    "The paper says seven minutes for its attack on one model, of completion and magnitudes without images; it "
    "completes 16 matrices of Stable Diffusion 1.5 on a GPU that it does not name."
)


def time_lines(audit: Audit, models: list[Model]) -> list[tuple[str, int, str, str, str]]:
    """Return, for each completer and each attack, what was timed: name, jobs, seconds, cores used, peak memory.

    Seconds are those of the whole job, the start of Python included; jobs without such a file are left out, and so is
    what was made elsewhere and brought here by DVC.
    """
    groups: dict[str, dict[Path, None]] = {}
    for model in models:
        if model.role != "attacked":
            continue
        completer = audit.entry(model.attack).get("completer")
        steps = [("complete_weights", completer)] if completer else []
        for stage, entry in [*steps, (model.stage, model.attack)]:
            log = LOGS / stage / audit.world_name / model.published / entry / f"{model.concept}.tsv"
            groups.setdefault(f"{stage}: {entry} on {model.published}", {})[log] = None
    lines = []
    for name, logs in groups.items():
        found = [numbers for log in logs if (numbers := _numbers(log)) is not None]
        if found:
            seconds, cores, memory = zip(*found, strict=True)
            lines.append((name, len(found), _range(seconds), f"{median(cores):.1f}", f"{max(memory) / 1000:.1f} GB"))
    return lines


def _numbers(log: Path) -> tuple[float, float, float] | None:
    """Return seconds, mean cores and megabytes of a job, None where it has no readable file."""
    try:
        with log.open(encoding="utf-8") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"))
        seconds = float(row["s"])
        return seconds, float(row["cpu_time"]) / seconds, float(row["max_rss"])
    except (OSError, StopIteration, KeyError, ValueError, ZeroDivisionError):
        return None  # a job of a moment has "NA" in place of numbers


def _range(seconds: tuple[float, ...]) -> str:
    middle = f"{median(seconds):.0f}"
    return middle if len(seconds) == 1 else f"{middle} ({min(seconds):.0f} to {max(seconds):.0f})"

"""What finished jobs took: their benchmark and log beside Snakemake's record of the command."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from regrow.plan import refusals

DONE = re.compile(r": \d+ rows, (\d+) images (?:drawn|judged)$")  # the last line of generate_images and score_images
PER_FILE = ("generate_images", "score_images", "score_sets")  # their logs are named like a file, others like its folder


@dataclass(frozen=True)
class Finished:
    """A job that came to its end.

    Attributes
    ----------
    seconds : float
        By the clock.
    images : int or None
        That it drew or judged; what was in the store is not among them.
    command : str
        What ran.
    """

    seconds: float
    images: int | None
    command: str


def finished(output: Path) -> Finished | None:
    """Return what the job took that made a result, None where it did not run here or left no benchmark."""
    benchmark, log = log_of(output, ".tsv"), log_of(output, ".log")
    if not benchmark.is_file():
        return None
    try:
        seconds = float(benchmark.read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
        command = json.loads(refusals.record_of(output, "metadata").read_text(encoding="utf-8"))["shellcmd"]
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError, IndexError, KeyError):
        return None
    done = DONE.search(lines[-1]) if lines else None
    return Finished(seconds, int(done[1]) if done else None, str(command))


def log_of(output: Path, suffix: str) -> Path:
    """Return where a rule writes log or benchmark of the job that makes a result of a world."""
    _, world, stage, *rest = output.parts
    named = Path(*rest[:-1], output.stem) if stage in PER_FILE else Path(*rest[:-1])
    return Path("logs", stage, world, f"{named}{suffix}") if rest[:-1] else Path("logs", stage, f"{world}{suffix}")

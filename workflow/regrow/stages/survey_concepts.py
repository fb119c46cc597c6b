"""Stage `survey_concepts`: try eraser settings on many concepts, before any attack; writes one row per trial."""

import csv
import hashlib
import io
import itertools
import logging
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

from regrow.concepts import Concept, read_concept
from regrow.dependencies import code_digest
from regrow.emoji.measure import load_classifier
from regrow.emoji.survey import Surveyor, Trial
from regrow.erase._changes import run_eraser
from regrow.errors import UserError
from regrow.images.prompts import Prompt, read_prompts
from regrow.images.renderer import Sampler
from regrow.io.files import read_json, write_json, write_text
from regrow.judges import read_protocol
from regrow.methods import parse_options
from regrow.model.pipelines import load_base
from regrow.work import Work
from regrow.world import World, read_world

TRIAL = "trial.json"
log = logging.getLogger(__name__)


def run(
    world: Path,
    judge: Path,
    others: Path,
    concepts: Sequence[str],
    method: str,
    options: dict[str, Any],
    sweep: dict[str, Any],
    skip: int,
    n: int,
    steps: int,
    guidance: float,
    device: str,
    work: Path,
    out: Path,
) -> None:
    """Erase every concept with every setting and measure what is left of it and of the others.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    judge : Path
        Folder of the object judge.
    others : Path
        Prompt file about all objects.
    concepts : list of str
        Concepts to try, at least one. They must be objects.
    method : str
        An eraser.
    options : dict
        The eraser's options.
    sweep : dict
        Option names to lists of values; every combination is tried in place of `options`' own values.
    skip : int
        Rows at the beginning of every prompt set that are left to the audit.
    n : int
        Images per accuracy, at least 1.
    steps : int
        Sampling steps.
    guidance : float
        Scale of classifier-free guidance.
    device : str
        For example `cpu` or `cuda`.
    work : Path
        Folder of finished trials, a folder each: a survey that was stopped goes on behind them.
    out : Path
        CSV file: the settings, then the fields of `regrow.emoji.survey.Trial`.

    Raises
    ------
    UserError
        Before anything is drawn: an unknown concept, one that the object judge cannot see, too few prompts, no values
        to try, `n` below 1. Then the eraser's own.
    """
    if n < 1 or skip < 0 or not concepts or not all(isinstance(v, list) and v for v in sweep.values()):
        raise UserError(
            "survey_concepts needs concepts, n >= 1, skip >= 0 and a list of values per option, "
            f"got {list(concepts)}, {n}, {skip} and {sweep}"
        )
    index = read_world(world)
    settings = [dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())]
    parsed = [parse_options("erase_concept", method, {**options, **setting}) for setting in settings]
    asked = [_prompts(index, others, name, skip, n) for name in concepts]
    needed = dict.fromkeys(row.label for _, own, preserved in asked for row in (*own, *preserved))
    classifier = load_classifier(judge, needed, device)
    sampler = Sampler(index.scheduler, steps, guidance)
    code = code_digest("regrow.stages.survey_concepts", f"regrow.erase.{method}")
    made_from = [code, index.base, index.settings, read_protocol(judge).digest(), method, asdict(sampler)]
    surveyor = None
    rows = []
    for setting, eraser in zip(settings, parsed, strict=True):
        for pack, own, preserved in asked:
            key = repr([*made_from, eraser, pack, own, preserved])
            trial_work = work / hashlib.sha256(key.encode()).hexdigest()
            if not (trial_work / TRIAL).is_file():
                surveyor = surveyor or Surveyor(load_base(index.pipeline, device), classifier, sampler)
                erase = partial(run_eraser, method=method, options=eraser, work=Work(trial_work, device))
                trial = surveyor.try_concept(pack, own, preserved, erase)
                write_json(trial_work / TRIAL, asdict(trial))
                log.info(
                    "%s %s: %.2f -> %.2f, preserved %.2f -> %.2f, density %.3f",
                    *(trial.concept, setting or "", trial.pretrained, trial.erased),
                    *(trial.preserved_before, trial.preserved, trial.density),
                )
            rows.append({**setting, **read_json(trial_work / TRIAL, "trial of a survey")})
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*sweep, *(field.name for field in fields(Trial))], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, buffer.getvalue())


def _prompts(world: World, others: Path, name: str, skip: int, n: int) -> tuple[Concept, list[Prompt], list[Prompt]]:
    """Return a pack with its own and other prompts, behind those that are left to audits."""
    folder = world.concepts / name
    pack = read_concept(folder)
    if pack.kind != "object":
        raise UserError(f"survey_concepts judges objects, but '{name}' is of kind {pack.kind}: leave it out")
    own = _behind(read_prompts(folder / "erased.csv"), skip, n, folder / "erased.csv")
    preserved = _behind([row for row in read_prompts(others) if row.label != pack.label], skip, n, others)
    return pack, own, preserved


def _behind(rows: list[Prompt], skip: int, n: int, path: Path) -> list[Prompt]:
    if len(rows) < skip + n:
        raise UserError(f"{path} has only {len(rows)} rows to use where {skip + n} are needed: add rows, or lower n")
    return rows[skip : skip + n]

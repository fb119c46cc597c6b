"""Stage `survey_concepts`: try eraser settings on many concepts, before any attack; writes one row per trial."""

import csv
import io
import logging
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from regrow.concepts import ERASED, read_concept
from regrow.files import write_text
from regrow.generate import Sampler
from regrow.judge.classifier import load_classifier
from regrow.models import load_pipeline
from regrow.prompts import erased_rows, preserved_rows, read_prompts
from regrow.world.survey import Surveyor, Trial
from regrow.worlds import read_world

log = logging.getLogger(__name__)

FIRST_SEED_ROW = 100  # survey rows lie behind the rows that an audit of up to 100 images uses


def run(
    world: Path,
    concepts: list[str],
    method: str,
    options: dict[str, Any],
    sweep: dict[str, Any],
    n: int,
    steps: int,
    guidance: float,
    device: str,
    out: Path,
) -> None:
    """Erase every concept with every setting and measure what is left of it and of the others.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    concepts : list of str
        Concepts to try; all of the world's when empty.
    method : str
        An eraser.
    options : dict
        The eraser's options.
    sweep : dict
        Option names to lists of values; every combination is tried in place of `options`' own values.
    n : int
        Images per accuracy; not those that the audit uses.
    steps : int
        Sampling steps.
    guidance : float
        Scale of classifier-free guidance.
    device : str
        For example `cpu` or `cuda`.
    out : Path
        CSV file: the settings, then the fields of `regrow.world.survey.Trial`.
    """
    place = read_world(world)
    pipeline = load_pipeline(place.pipeline, device=device)
    sampler = Sampler(type(pipeline.scheduler).__name__, steps, guidance)
    surveyor = Surveyor(pipeline, load_classifier(place.judge("object"), device), sampler)
    settings: list[dict[str, Any]] = [{}]
    for key, values in sweep.items():
        settings = [{**setting, key: value} for setting in settings for value in values]
    names = concepts or place.packs()
    log.info("%d concepts, %d settings, %d images each", len(names), len(settings), 2 * n)
    rows = []
    for setting in settings:
        for name in names:
            pack = read_concept(place.concept(name))
            path = place.concept(name) / ERASED
            own = erased_rows(read_prompts(path), FIRST_SEED_ROW + n, path)[FIRST_SEED_ROW:]
            others = preserved_rows(read_prompts(place.preserved), FIRST_SEED_ROW + n, place.preserved, pack.label)
            trial = surveyor.try_concept(pack, own, others[FIRST_SEED_ROW:], method, {**options, **setting})
            rows.append({**setting, **asdict(trial)})
            log.info(
                "%s %s: %.2f -> %.2f, preserved %.2f -> %.2f, density %.3f",
                name,
                setting or "",
                *(trial.pretrained, trial.erased, trial.preserved_before, trial.preserved, trial.density),
            )
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*sweep, *(field.name for field in fields(Trial))], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, buffer.getvalue())

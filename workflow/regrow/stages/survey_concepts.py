"""Stage `survey_concepts`: try eraser settings on many concepts, before any attack; writes one row per trial."""

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from regrow.concepts import ERASED, Concept, read_concept
from regrow.errors import UserError
from regrow.files import write_text
from regrow.generate import Sampler
from regrow.judge.classifier import Classifier, load_classifier
from regrow.models import load_pipeline
from regrow.prompts import Prompt, erased_rows, preserved_rows, read_prompts
from regrow.world.survey import Surveyor, Trial
from regrow.worlds import World, read_world

log = logging.getLogger(__name__)


def run(
    world: Path,
    concepts: Sequence[str],
    method: str,
    options: dict[str, Any],
    sweep: dict[str, Any],
    skip: int,
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
        Concepts to try; all of the world's when empty. They must be objects.
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
    out : Path
        CSV file: the settings, then the fields of `regrow.world.survey.Trial`; written when all is done, so a survey
        that is stopped begins anew.

    Raises
    ------
    UserError
        Before anything is drawn: an unknown concept, one that the object judge cannot see, too few prompts, no values
        to try, `n` below 1. Then the eraser's own.
    """
    if n < 1 or skip < 0 or not all(isinstance(values, list) and values for values in sweep.values()):
        raise UserError(
            f"survey_concepts needs n >= 1, skip >= 0 and a list of values per option, got {n}, {skip} and {sweep}"
        )
    place = read_world(world)
    pipeline = load_pipeline(place.pipeline, device=device)
    sampler = Sampler(type(pipeline.scheduler).__name__, steps, guidance)
    judge = load_classifier(place.judge("object"), device)
    surveyor = Surveyor(pipeline, judge, sampler)
    settings: list[dict[str, Any]] = [{}]
    for key, values in sweep.items():
        settings = [{**setting, key: value} for setting in settings for value in values]
    names = concepts or place.packs()
    asked = {name: _prompts(place, judge, name, skip, n) for name in names}
    images = 2 * n * len(names) * (1 + len(settings))
    log.info("%d concepts, %d settings: about %d images", len(names), len(settings), images)
    rows = []
    for setting in settings:
        for name, (pack, own, others) in asked.items():
            trial = surveyor.try_concept(pack, own, others, method, {**options, **setting})
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


def _prompts(
    place: World, judge: Classifier, name: str, skip: int, n: int
) -> tuple[Concept, list[Prompt], list[Prompt]]:
    """Return a pack with its own and other prompts, behind those of the audit, all of which the judge can see."""
    pack = read_concept(place.concept(name))
    if pack.kind != "object":
        raise UserError(f"survey_concepts judges objects, but '{name}' is of kind {pack.kind}: leave it out")
    path = place.concept(name) / ERASED
    own = erased_rows(read_prompts(path), skip + n, path, pack.label)[skip:]
    others = preserved_rows(read_prompts(place.preserved), skip + n, place.preserved, pack.label)[skip:]
    for row in (*own, *others):
        judge.require_label(row.label)
    return pack, own, others

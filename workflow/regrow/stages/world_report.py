"""Stage `world_report`: measure the emoji world and print every number beside its bar."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from regrow.errors import UserError
from regrow.files import write_text
from regrow.generate import Sampler
from regrow.judge.classifier import load_classifier
from regrow.models import load_pipeline
from regrow.world.measure import (
    Share,
    background_accuracy,
    judge_accuracy,
    object_accuracy,
    reconstruction_error,
    style_accuracy,
)
from regrow.world.scenes import SceneMaker
from regrow.world.vocabulary import STYLES, spoken
from regrow.worlds import read_world


@dataclass(frozen=True)
class Line:
    """A measured share beside the bar that it should reach."""

    what: str
    value: float
    n: int
    bar: float


def run(
    world: Path,
    sprites: Path,
    concepts: list[str],
    n: int,
    steps: int,
    guidance: float,
    device: str,
    out: Path,
) -> None:
    """Measure judges and generator; print a table and write it as JSON.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    sprites : Path
        Parquet file of sprites.
    concepts : list of str
        The audited concepts.
    n : int
        Images per concept; seeds of their own, which no prompt set holds.
    steps : int
        Sampling steps.
    guidance : float
        Scale of classifier-free guidance.
    device : str
        For example `cpu` or `cuda`.
    out : Path
        JSON file.

    Raises
    ------
    UserError
        No concept, `n` below 1, an object or a style that the judges cannot see, or a broken file.
    """
    if not concepts or n < 1:
        raise UserError(f"world_report needs concepts and n >= 1, got {list(concepts)} and {n}")
    place = read_world(world)
    pipeline = load_pipeline(place.pipeline, device=device)
    judges = {kind: load_classifier(place.judge(kind), device) for kind in ("object", "style")}
    scenes = SceneMaker(sprites)
    sampler = Sampler(type(pipeline.scheduler).__name__, steps, guidance)
    for name in (*concepts, *scenes.names):
        judges["object"].require_label(spoken(name))
    for name in STYLES:
        judges["style"].require_label(name)
    objects = object_accuracy(pipeline, judges["object"], concepts, n, sampler)
    total = Share(sum(share.correct for share in objects.values()), n * len(concepts))
    worst = min(objects, key=lambda name: objects[name].value)
    style = style_accuracy(pipeline, judges["style"], scenes.names, 7 * n, sampler)
    background = background_accuracy(pipeline, scenes.names, 6 * n, sampler)
    real = {kind: judge_accuracy(judge, scenes, kind, 2000) for kind, judge in judges.items()}
    lines = [
        Line("object judge on unseen compositions", real["object"].value, 2000, 0.97),
        Line("style judge on unseen compositions", real["style"].value, 2000, 0.97),
        Line("generated object judged correct, mean of the audited concepts", total.value, total.n, 0.85),
        Line(f"generated object judged correct, worst of them ({worst})", objects[worst].value, n, 0.60),
        Line("generated style judged correct", style.value, style.n, 0.80),
        Line("generated background is the one asked for", background.value, background.n, 0.95),
    ]
    table = Table("measured", "share", "bar", "images")
    for line in lines:
        mark = "reached" if line.value >= line.bar else "MISSED"
        table.add_row(line.what, f"{line.value:.3f}", f"{line.bar:.2f} {mark}", str(line.n))
    Console().print(table)
    told = {
        "pipeline_digest": place.pipeline_digest,
        "sampler": {"scheduler": sampler.scheduler, "steps": steps, "guidance": guidance},
        "bars": [{**line.__dict__, "reached": line.value >= line.bar} for line in lines],
        "concepts": {name: share.value for name, share in objects.items()},
        "reconstruction_db": round(reconstruction_error(pipeline, scenes, 500), 2),
        "parameters": {
            part: sum(p.numel() for p in getattr(pipeline, part).parameters())
            for part in ("unet", "text_encoder", "vae")
        },
    }
    write_text(out, json.dumps(told, indent=2) + "\n")

"""Stage `report_world`: measure the emoji world and print every number beside its bar."""

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from regrow.emoji.measure import (
    Share,
    background_accuracy,
    judge_accuracy,
    load_classifier,
    object_accuracy,
    reconstruction_psnr,
    style_accuracy,
)
from regrow.emoji.scenes import SceneMaker
from regrow.emoji.vocabulary import STYLES, spoken
from regrow.errors import UserError
from regrow.images.renderer import Sampler
from regrow.io.files import write_json
from regrow.model.pipelines import load_base
from regrow.world import read_world


@dataclass(frozen=True)
class Line:
    """A measured share beside the bar that it should reach."""

    what: str
    value: float
    n: int
    bar: float


def run(
    world: Path,
    object_judge: Path,
    style_judge: Path,
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
        world.json of index_world.
    object_judge, style_judge : Path
        Folders of the judges.
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
        raise UserError(f"report_world needs concepts and n >= 1, got {list(concepts)} and {n}")
    index = read_world(world)
    scenes = SceneMaker(sprites)
    sampler = Sampler(index.scheduler, steps, guidance)
    judges = {
        "object": load_classifier(object_judge, map(spoken, [*concepts, *scenes.names]), device),
        "style": load_classifier(style_judge, STYLES, device),
    }
    pipeline = load_base(index.pipeline, device)
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
    report = {
        "base": index.base,
        "sampler": asdict(sampler),
        "bars": [{**asdict(line), "reached": line.value >= line.bar} for line in lines],
        "concepts": {name: share.value for name, share in objects.items()},
        "reconstruction_db": round(reconstruction_psnr(pipeline, scenes, 500), 2),
        "parameters": {
            part: sum(p.numel() for p in getattr(pipeline, part).parameters())
            for part in ("unet", "text_encoder", "vae")
        },
    }
    write_json(out, report)

"""Stage `get_world`: look a world over once and write down what it is made of."""

import json
from pathlib import Path

from regrow import __version__
from regrow.concepts import read_concept
from regrow.errors import UserError
from regrow.files import write_text
from regrow.judge import read_protocol
from regrow.models import pipeline_digest

JUDGES = ("object", "style", "clip")
OPTIONAL = "style"  # only a world in which styles are audited needs it


def run(world: str, pipeline: Path, judges: Path, concepts: Path, preserved: Path, out: Path) -> None:
    """Check a world's files and write world.json, which every later stage reads.

    Parameters
    ----------
    world : str
        Its name.
    pipeline : Path
        Folder that ``StableDiffusionPipeline.from_pretrained`` reads.
    judges : Path
        Folder with one folder per judge: object, clip and, where there are styles to tell apart, style.
    concepts : Path
        Folder with one concept pack per folder.
    preserved : Path
        The prompt set of everything that should stay.
    out : Path
        world.json.

    Raises
    ------
    UserError
        A missing or broken part.
    """
    if not pipeline.is_dir():
        raise UserError(f"world '{world}' has no pipeline in {pipeline}: see data/README.md for where it comes from")
    if not preserved.is_file():
        raise UserError(f"world '{world}' has no prompt set {preserved}: correct get_world.{world}.preserved")
    for judge in JUDGES:
        if judge != OPTIONAL or (judges / judge).exists():
            read_protocol(judges / judge)
    packs = sorted(folder for folder in concepts.glob("*") if (folder / "concept.yaml").is_file())
    if not packs:
        raise UserError(f"world '{world}' has no concept packs in {concepts}: add one; see CONTRIBUTING.md")
    for folder in packs:
        read_concept(folder)
    told = {
        "world": world,
        "pipeline": str(pipeline),
        "pipeline_digest": pipeline_digest(pipeline),
        "judges": str(judges),
        "concepts": str(concepts),
        "preserved": str(preserved),
        "versions": {"regrow": __version__},
    }
    write_text(out, json.dumps(told, indent=2) + "\n")

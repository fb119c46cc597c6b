"""What a check takes from a world: the parts that a file lacks, prompts, judges and the values of its params."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regrow.check.absent import how_to_get
from regrow.check.choice import Asked, choose, choose_others
from regrow.check.measure import Measure
from regrow.concepts import Concept, read_concept
from regrow.config.entries import check_entries
from regrow.config.errors import validate
from regrow.config.layers import merge, read_world_file
from regrow.config.reader import read_yaml
from regrow.config.schema import Params
from regrow.errors import UserError, nearest
from regrow.images.screen.packs import check_pack
from regrow.places import data_path


@dataclass(frozen=True)
class Setting:
    """Where and how a model is checked; all paths are absolute.

    Attributes
    ----------
    world : str
        Name of the world.
    params : Params
        Of params.yaml, with the values that the world's file sets in their place.
    pipeline : Path
        The world's pipeline, from which comes what a file lacks.
    structural_zeros : Path or None
        File of the zeros that are no cut.
    concept : Concept
        What is to be gone.
    packs : Path
        The folder of its pack's folder.
    measure : Measure
        How its images are counted.
    own : Asked
        Prompts of the concept and their judges.
    others : Asked or None
        Prompts of other things: whether the model draws anything.
    """

    world: str
    params: Params
    pipeline: Path
    structural_zeros: Path | None
    concept: Concept
    packs: Path
    measure: Measure
    own: Asked
    others: Asked | None


def read_setting(world: str, concept: str, prompts: str | None = None) -> Setting:
    """Read the world and the pack that a model is checked with.

    Parameters
    ----------
    world : str
        A file of config/worlds, without ``.yaml``.
    concept : str
        Folder of a concept pack, or the name of one of the world.
    prompts : str or None
        The world's prompt set to draw; None for the first that asks for the concept and is here.

    Raises
    ------
    UserError
        Unknown world or concept, a world whose model is not here, or a concept that cannot be judged with what is here.
    """
    found = read_world_file(world)
    params = read_yaml(data_path("params.yaml"))
    checked = check_entries(validate(Params, merge(params, found.params), f"params.yaml for world '{world}'"))
    pipeline = data_path(found.pipeline).absolute()
    if not pipeline.is_dir():
        get = how_to_get(found, world, found.pipeline)
        raise UserError(f"world '{world}' has no base model in {found.pipeline}: {get}")
    pack = _pack(concept, data_path(found.concepts))
    read = read_concept(pack)
    check_pack(read, pack / "concept.yaml")
    measure, own = choose(found, world, read, pack, prompts)
    return Setting(
        world,
        checked,
        pipeline,
        data_path(found.structural_zeros).absolute() if found.structural_zeros else None,
        read,
        pack.parent,
        measure,
        own,
        choose_others(found, read),
    )


def _pack(concept: str, packs: Path) -> Path:
    if (Path(concept) / "concept.yaml").is_file():
        return Path(concept).absolute()
    if (packs / concept / "concept.yaml").is_file():
        return (packs / concept).absolute()
    known = sorted(path.parent.name for path in packs.glob("*/concept.yaml"))
    raise UserError(
        f"'{concept}' is no folder of a concept pack and no concept of the world: {nearest(concept, known)}"
    )

"""What a check takes from a world: the parts that a file lacks, prompts, judges and the values of its params."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regrow.concepts import Concept, read_concept
from regrow.config.entries import check_entries
from regrow.config.errors import validate
from regrow.config.layers import merge, read_world_file
from regrow.config.reader import read_yaml
from regrow.config.schema import Params
from regrow.errors import UserError, nearest
from regrow.images.csv_rows import same_text
from regrow.judges import read_protocol
from regrow.places import data_path

if TYPE_CHECKING:
    from regrow.config.files import WorldFile
    from regrow.images.prompts import PromptSet


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
    judge, judge_name : Path and str
        The judge that has the concept among its labels.
    prompt_set : PromptSet
        Prompts of the concept.
    others : PromptSet or None
        Prompts of other things that the same judge tells: whether the model draws anything.
    """

    world: str
    params: Params
    pipeline: Path
    structural_zeros: Path | None
    concept: Concept
    packs: Path
    judge: Path
    judge_name: str
    prompt_set: PromptSet
    others: PromptSet | None


def read_setting(world: str, concept: str) -> Setting:
    """Read the world and the pack that a model is checked with.

    Parameters
    ----------
    world : str
        A file of config/worlds, without ``.yaml``.
    concept : str
        Folder of a concept pack, or the name of one of the world.

    Raises
    ------
    UserError
        Unknown world or concept, a world whose model is not here, or a concept that no judge of the world can tell.
    """
    found = read_world_file(world)
    params = read_yaml(data_path("params.yaml"))
    checked = check_entries(validate(Params, merge(params, found.params), f"params.yaml for world '{world}'"))
    pipeline = data_path(found.pipeline).absolute()
    if not pipeline.is_dir():
        raise UserError(f"world '{world}' has no base model in {found.pipeline}: fetch it first (regrow fetch_world)")
    pack = _pack(concept, data_path(found.concepts))
    read = read_concept(pack)
    name, judge = _judge(found, read, world)
    sets = [one for one in found.prompt_sets.values() if name in one.judges and not one.sensitive]
    own = [one for one in sets if one.labels == "concept"]
    if not own:
        raise UserError(f"world '{world}' has no prompt set that asks for a concept and goes to judge '{name}'")
    others = [one for one in sets if one.labels == "others"]
    return Setting(
        world,
        checked,
        pipeline,
        data_path(found.structural_zeros).absolute() if found.structural_zeros else None,
        read,
        pack.parent,
        judge,
        name,
        _absolute(own[0]),
        _absolute(others[0]) if others else None,
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


def _judge(world: WorldFile, concept: Concept, name: str) -> tuple[str, Path]:
    """Return the first judge of a world that can say whether an image shows the concept."""
    for judge, folder in world.judges.items():
        path = data_path(folder).absolute()
        if not (path / "judge.yaml").is_file():
            continue
        protocol = read_protocol(path)
        labels = protocol.labels
        if labels and "top1" in protocol.module.COLUMNS and same_text(concept.label) in map(same_text, labels):
            return judge, path
    raise UserError(
        f"no judge of world '{name}' that is here knows the label '{concept.label}' of concept '{concept.name}': "
        "correct the label, add a judge, or fetch the world's"
    )


def _absolute(prompt_set: PromptSet) -> PromptSet:
    if prompt_set.scope == "concept":
        return prompt_set
    return prompt_set.model_copy(update={"file": data_path(prompt_set.file).absolute().as_posix()})

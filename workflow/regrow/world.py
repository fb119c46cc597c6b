"""Read world.json of index_world: what a base model is made of, looked over once."""

from dataclasses import asdict, dataclass
from pathlib import Path

from regrow.errors import UserError
from regrow.io.files import read_json, write_json


@dataclass(frozen=True)
class World:
    """A base model and where its concept packs are; paths are relative to the working directory.

    Attributes
    ----------
    name : str
        For example ``emoji``.
    pipeline : Path
        Folder of the base model.
    base : str
        `regrow.model.pipelines.base_digest` when index_world ran.
    settings : str
        `regrow.model.pipelines.settings_digest`: configurations, noise schedule, tokenizer.
    scheduler : str
        Class of the pipeline's scheduler.
    size : int
        Pixels per side of an image.
    tokens : int
        Longest prompt, start and end token included.
    concepts : Path
        Folder of the concept packs.
    """

    name: str
    pipeline: Path
    base: str
    settings: str
    scheduler: str
    size: int
    tokens: int
    concepts: Path


def write_world(path: Path, world: World) -> None:
    """Write world.json."""
    write_json(
        path, {key: value.as_posix() if isinstance(value, Path) else value for key, value in asdict(world).items()}
    )


def read_world(path: Path) -> World:
    """Read world.json.

    Raises
    ------
    UserError
        No such file, or not a world.
    """
    found = read_json(path, "world.json of index_world")
    try:
        return World(
            name=str(found["name"]),
            pipeline=Path(found["pipeline"]),
            base=str(found["base"]),
            settings=str(found["settings"]),
            scheduler=str(found["scheduler"]),
            size=int(found["size"]),
            tokens=int(found["tokens"]),
            concepts=Path(found["concepts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a world.json of this edition ({error}): run index_world again") from error

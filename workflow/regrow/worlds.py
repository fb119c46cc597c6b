"""Read world.json: where a world's pipeline, judges, concepts and prompts are."""

import json
from dataclasses import dataclass
from pathlib import Path

from regrow.errors import UserError, nearest
from regrow.models import Delta, load_delta, pipeline_digest


@dataclass(frozen=True)
class World:
    """A base model with its judges, concepts and prompts; paths are relative to the working directory.

    Attributes
    ----------
    name : str
        For example ``emoji``.
    pipeline : Path
        Folder of the diffusers pipeline.
    pipeline_digest : str
        `regrow.models.pipeline_digest` when get_world ran.
    concepts : Path
        Folder of the concept packs; read anew, so that a new pack changes nothing else.
    judges : Path
        Folder of the judges: object, clip and, in some worlds, style; looked at anew, as the packs are.
    preserved : Path
        The prompt set of everything that should stay.
    """

    name: str
    pipeline: Path
    pipeline_digest: str
    concepts: Path
    judges: Path
    preserved: Path

    def packs(self) -> list[str]:
        """Return the names of all concept packs, sorted."""
        return sorted(path.parent.name for path in self.concepts.glob("*/concept.yaml"))

    def concept(self, name: str) -> Path:
        """Return the folder of a concept pack; an unknown name is a UserError."""
        if name not in self.packs():
            raise UserError(f"world '{self.name}' has no concept '{name}': {nearest(name, self.packs())}")
        return self.concepts / name

    def judge(self, name: str) -> Path:
        """Return the folder of a judge; one that the world lacks is a UserError."""
        if not self.has_judge(name):
            raise UserError(f"world '{self.name}' has no judge '{name}' in {self.judges}: add one; see CONTRIBUTING.md")
        return self.judges / name

    def has_judge(self, name: str) -> bool:
        """Say whether the world has a judge."""
        return (self.judges / name / "judge.yaml").is_file()

    def read_model(self, path: Path) -> Delta:
        """Read a published delta; one of another world's base is a UserError."""
        delta = load_delta(path)
        if delta.base_digest != self.pipeline_digest:
            raise UserError(
                f"{path} belongs to base {delta.base_digest[:12]}, not to world '{self.name}': "
                "give a model of this world"
            )
        return delta


def read_world(path: Path) -> World:
    """Read world.json and make sure the pipeline is still the one it tells of.

    Raises
    ------
    UserError
        No such file, not a world, or weights that changed since.
    """
    try:
        told = json.loads(path.read_text())
        world = World(
            told["world"],
            Path(told["pipeline"]),
            told["pipeline_digest"],
            Path(told["concepts"]),
            Path(told["judges"]),
            Path(told["preserved"]),
        )
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: run get_world") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a world.json ({error}): run get_world again") from error
    found = pipeline_digest(world.pipeline)
    if found != world.pipeline_digest:
        raise UserError(
            f"the weights in {world.pipeline} ({found[:12]}) are not those of {path} "
            f"({world.pipeline_digest[:12]}): run get_world again"
        )
    return world

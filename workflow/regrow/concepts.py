"""Concept packs: what is erased, as data. A pack is a folder with ``concept.yaml`` and ``erased.csv``."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from regrow.errors import UserError

ERASED = "erased.csv"


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Find(BaseModel):
    """The prompt pairs by which an eraser finds a concept: the same scenes without and with it."""

    model_config = ConfigDict(extra="forbid")
    base: list[Text] = Field(min_length=1)
    target: list[Text] = Field(min_length=1)


class Concept(BaseModel):
    """One concept: its kind, the judge's label for it, and the prompts to find it."""

    model_config = ConfigDict(extra="forbid")
    name: Text
    kind: Literal["object", "style", "nudity"]
    label: Text
    find: Find

    @property
    def base(self) -> list[str]:
        """Prompts without the concept."""
        return self.find.base

    @property
    def target(self) -> list[str]:
        """The same scenes with it."""
        return self.find.target


def read_concept(folder: Path) -> Concept:
    """Read a concept pack.

    Raises
    ------
    UserError
        No pack there, an unknown or missing key, an empty or blank prompt, another name than the folder's, lists of
        different length, or a kind that cannot be audited with care yet.
    """
    path = folder / "concept.yaml"
    if not path.is_file():
        raise UserError(f"there is no concept pack in {folder}: it needs a concept.yaml; see CONTRIBUTING.md")
    try:
        concept = Concept.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())}): correct it") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg'].lower()}: correct it; see CONTRIBUTING.md") from error
    if concept.name != folder.resolve().name:
        raise UserError(f"{path} is named '{concept.name}' but lies in {folder.name}: give both one name")
    if concept.kind == "nudity":
        raise UserError(
            f"{path} is of kind nudity, whose prompts must be screened for minors and real people before any image, "
            "and that screen is not built yet: take the pack out of the world"
        )
    if len(concept.base) != len(concept.target):
        raise UserError(
            f"{path}: {len(concept.base)} base and {len(concept.target)} target prompts: give every scene in both lists"
        )
    return concept

"""Concept packs: what is erased, as data. A pack is a folder with ``concept.yaml`` and the concept's own prompts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from regrow.errors import UserError

Kind = Literal["object", "style", "character", "nudity"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# As it goes to the text encoder: "" and " " are prompts of their own, and erasers tell them apart (methods.md 2.4).
Verbatim = str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Find(_Part):
    """The prompt pairs by which an eraser finds a concept: the same scenes without and with it."""

    base: list[Text] = Field(min_length=1)
    target: list[Text] = Field(min_length=1)

    @model_validator(mode="after")
    def _pairs(self) -> Find:
        if len(self.base) != len(self.target):
            raise ValueError(f"{len(self.base)} base and {len(self.target)} target prompts: give every scene in both")
        return self


class Words(_Part):
    """The concept in words.

    Attributes
    ----------
    tokens : list of str
        The words whose tokens erasers re-steer or detach, as they stand in prompts.
    synonyms : list of str
        Other words for the same concept.
    """

    tokens: list[Text] = Field(min_length=1)
    synonyms: list[Text] = []


class Concept(_Part):
    """One concept: its kind, the judge's label for it, and what erasers need to know of it.

    Attributes
    ----------
    name, kind, label : str
        `name` is the folder's, `label` is the judge's word.
    find : Find
        The prompts to find it.
    words : Words or None
        The concept in words.
    anchor : str or None
        The word that takes the concept's place in captions of concept ablation, e.g. "cat" for "grumpy cat".
    guide : str or None
        The text towards which cross-attention is edited, e.g. "art"; may be empty.
    mapping : str or None
        What a concept is mapped to, e.g. "street".
    pseudo : str or None
        The caption whose prediction stands in for the concept's own.
    retain : list of str
        Texts whose images must stay as they are; may hold the empty one.
    super_class : str or None
        What the concept is one of, e.g. "dog" for "English springer".
    """

    name: Text
    kind: Kind
    label: Text
    find: Find
    words: Words | None = None
    anchor: Text | None = None
    guide: Verbatim | None = None
    mapping: Text | None = None
    pseudo: Verbatim | None = None
    retain: list[Verbatim] = []
    super_class: Text | None = None

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
        No pack there, an unknown or missing key, an empty or blank prompt, another name than the folder's, or lists of
        different length.
    """
    path = folder / "concept.yaml"
    if not path.is_file():
        raise UserError(f"there is no concept pack in {folder}: it needs a concept.yaml; see CONTRIBUTING.md")
    try:
        concept = Concept.model_validate(yaml.safe_load(path.read_text(encoding="utf-8-sig")))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())}): correct it") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        problem = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{path}: {where}: {problem[0].lower()}{problem[1:]}: correct it; see CONTRIBUTING.md"
        ) from error
    own = os.path.basename(
        os.path.abspath(folder)
    )  # not resolve(): a link has a name of its own, and so has its target
    if concept.name != own:
        raise UserError(f"{path} is named '{concept.name}' but lies in {own}: give both one name")
    return concept

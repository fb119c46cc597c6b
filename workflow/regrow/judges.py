"""Judges by what their ``judge.yaml`` says: a type is a file of ``regrow/judge``, found by its name.

A type turns images into rows: it is updated with batches and computes one row per image, or one for the set.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from regrow.dependencies import code_digest
from regrow.errors import UserError, nearest
from regrow.io.files import file_digest

if TYPE_CHECKING:
    from PIL import Image

    from regrow.images.prompts import Prompt

FOLDER = Path(__file__).parent / "judge"
PICTURES = "regrow.judge._pictures"  # makes what every judge sees
DECLARED = {"PER": ("image", "set"), "NEEDS": ("prompt", "label")}
COLUMN_TYPES = ("string", "float64", "bool", "int64", "list<string>")


class Judge(Protocol):
    """What every type's class `Judge` offers, in the way of torchmetrics."""

    def update(self, images: list[Image.Image], rows: Sequence[Prompt]) -> None:
        """Judge a batch of RGB images of any size, `rows` being what they were drawn for."""

    def merge(self, other: Any) -> None:
        """Add what another judge of the same protocol has seen, after what this one has."""

    def compute(self) -> list[dict[str, Any]]:
        """Return the rows of all images since the last reset, in order; a judge of sets returns one row."""

    def reset(self) -> None:
        """Forget all images."""


@dataclass(frozen=True)
class JudgeProtocol:
    """The exact settings of a judge, as written in its ``judge.yaml``.

    Attributes
    ----------
    folder : Path
        Where the file lies; files that it names are looked for there.
    type : str
        A file of ``regrow/judge``.
    settings : dict
        Everything the file says.
    """

    folder: Path
    type: str
    settings: dict[str, Any]

    @property
    def module(self) -> ModuleType:
        """The judge's type."""
        return judge_type(self.type)

    @property
    def labels(self) -> list[str] | None:
        """The labels that the judge can tell, None when it tells none; published weights are not needed for that."""
        return self.module.labels(self) if hasattr(self.module, "labels") else None

    def require(self, key: str, kind: Any) -> Any:
        """Return one setting, which must be of a type `kind`; a missing or wrong one is a UserError."""
        path = self.folder / "judge.yaml"
        if key not in self.settings:
            raise UserError(f"{path} has no '{key}': add it")
        try:
            return TypeAdapter(kind).validate_python(self.settings[key])
        except ValidationError as error:
            place = ".".join(map(str, [key, *error.errors()[0]["loc"]]))
            problem = error.errors()[0]["msg"].removeprefix("Input ")
            raise UserError(f"{path}: {place} is no good: {problem.lower()}") from error

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every file that the judge reads, by the setting that names it.

        Raises
        ------
        UserError
            A missing file, or weights that are not those that ``sha256`` pins.
        """
        named = {key: self.folder / value for key, value in self.settings.items() if isinstance(value, str) and value}
        files = self.module.files(self) if hasattr(self.module, "files") else named
        found = {key: file_digest(path) for key, path in files.items() if path.is_file()}
        pinned = self.settings.get("sha256")
        if pinned is not None and pinned != found.get("weights"):
            raise UserError(
                f"{self.folder}: the weights are {str(found.get('weights'))[:12]}, but judge.yaml pins "
                f"{str(pinned)[:12]}: restore the file, or correct sha256"
            )
        return found

    def describe(self) -> dict[str, Any]:
        """Return the protocol as it is printed beside numbers: labels counted, files by digest."""
        printed = {key: len(value) if key == "labels" else value for key, value in self.settings.items()}
        return {**printed, "digests": self.digests()}

    def digest(self) -> str:
        """Return one SHA-256 for settings, files and the syntax of the judge's code: equal means equal scores."""
        parts = [self.settings, self.digests(), code_digest(f"regrow.judge.{self.type}", PICTURES)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def judge_types() -> list[str]:
    """Return the types that there are, without importing them."""
    return sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def judge_type(name: str) -> ModuleType:
    """Import a type of judges.

    Raises
    ------
    UserError
        No such file, or one that lacks what a type declares.
    """
    if name not in judge_types():
        raise UserError(f"there is no type of judges '{name}': {nearest(name, judge_types())}")
    module = importlib.import_module(f"regrow.judge.{name}")
    where = f"workflow/regrow/judge/{name}.py"
    for constant in (*DECLARED, "COLUMNS", "Judge"):
        if not hasattr(module, constant):
            raise UserError(f"{where} declares no {constant}: add it; see CONTRIBUTING.md")
    for word in (module.PER, *module.NEEDS):
        valid = DECLARED["PER"] if word is module.PER else DECLARED["NEEDS"]
        if word not in valid:
            raise UserError(f"{where} declares '{word}': {nearest(str(word), valid)}")
    for column, kind in module.COLUMNS.items():
        if kind not in COLUMN_TYPES:
            raise UserError(f"{where}: column '{column}' is of type '{kind}': {nearest(str(kind), COLUMN_TYPES)}")
    return module


def read_protocol(folder: Path) -> JudgeProtocol:
    """Read a judge's protocol.

    Raises
    ------
    UserError
        No such judge, a file that is not a mapping, or an unknown type.
    """
    path = folder / "judge.yaml"
    if not path.is_file():
        raise UserError(f"there is no judge in {folder}: it needs a judge.yaml; see CONTRIBUTING.md")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())}): correct it") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path} is not a mapping of settings: correct it")
    kind = settings.get("type")
    if kind not in judge_types():
        raise UserError(f"{path}: type is {kind!r}: {nearest(str(kind), judge_types())}")
    return JudgeProtocol(folder, kind, settings)


def load_judge(folder: Path, device: str = "cpu") -> Any:
    """Load the judge whose ``judge.yaml`` lies in `folder`; see the class `Judge` of its type."""
    protocol = read_protocol(folder)
    return cast(Judge, protocol.module.Judge(protocol, device))

"""Judges: each turns images into one row per image, and says by which protocol."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from regrow.errors import UserError


@dataclass(frozen=True)
class Protocol:
    """The exact settings of a judge, as written in its ``judge.yaml``.

    Attributes
    ----------
    folder : Path
        Where the file lies; relative weights are looked for there.
    settings : dict
        Everything the file says.
    """

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

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


def read_protocol(folder: Path) -> Protocol:
    """Read a judge's protocol.

    Raises
    ------
    UserError
        No such judge, or a file that is not a mapping.
    """
    path = folder / "judge.yaml"
    if not path.is_file():
        raise UserError(f"there is no judge in {folder}: it needs a judge.yaml; see CONTRIBUTING.md")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())}): correct it") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path} is not a mapping of settings: correct it")
    return Protocol(folder, settings)

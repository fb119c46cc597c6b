"""What was done to a model, in a record.json beside its file; an attack never reads a publisher's."""

from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.io.files import read_json, write_json

REQUIRED = ("model", "base")


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record; `model` and `base` are digests, the rest says what was done with every option."""
    for key in REQUIRED:
        if not isinstance(record.get(key), str):
            raise UserError(f"{path}: a record needs the digest '{key}'")
    write_json(path, record)


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises
    ------
    UserError
        Missing or damaged file, or no record.
    """
    record = read_json(path, "record of a model")
    for key in REQUIRED:
        if not isinstance(record.get(key), str):
            raise UserError(f"{path} is no record of a model: it has no digest '{key}': make the model again")
    return record

"""Write and read a table of the paper: one dataclass, one CSV line."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from regrow.errors import UserError, nearest
from regrow.files import write_then_rename

Row = TypeVar("Row")


def write_rows(path: Path, kind: type, rows: Sequence[Any]) -> None:
    """Write `rows`, instances of the dataclass `kind`, under a header of its field names."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as stream:
            lines = csv.writer(stream, lineterminator="\n")
            lines.writerow([field.name for field in fields(kind)])
            lines.writerows(astuple(row) for row in rows)

    write_then_rename(path, write)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read a CSV file into instances of the dataclass `kind`; columns it does not have are left out.

    Raises
    ------
    UserError
        When the file or a column is missing, or a cell does not hold the type of its field.
    """
    types = get_type_hints(kind)
    if not path.is_file():
        raise UserError(f"{path} does not exist: run make_tables, or point at the folder that holds it")
    with path.open(newline="") as stream:
        lines = csv.DictReader(stream)
        for name in types:
            if name not in (lines.fieldnames or ()):
                raise UserError(f"{path} has no column '{name}': {nearest(name, lines.fieldnames or ())}")
        try:
            return [kind(**{name: _cast(line[name], type_) for name, type_ in types.items()}) for line in lines]
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}, line {lines.line_num}: {error}") from error


def _cast(text: str, kind: Any) -> Any:
    """Return a cell as its field's type; an empty cell of a field that may be None is None."""
    choices = get_args(kind)
    if type(None) in choices:
        return None if text == "" else choices[0](text)
    return kind(text)

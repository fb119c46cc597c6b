"""Read and write Parquet files with metadata, in one sentence when they cannot be read."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regrow.errors import UserError, nearest
from regrow.io.files import write_then_rename

METADATA = b"regrow"


def read_table(path: Path, columns: Iterable[str] = ()) -> tuple[pa.Table, dict[str, Any]]:
    """Return a Parquet file's table and the JSON object in its metadata.

    Parameters
    ----------
    path : Path
        The file.
    columns : iterable of str
        Columns that must be there; others are returned too.

    Raises
    ------
    UserError
        The file is missing, damaged (pages carry checksums), lacks a column or tells no metadata of ours.
    """
    try:
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}: run the stage that makes it") from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a readable Parquet file: delete it and run the same command again") from error
    for column in columns:
        if column not in table.column_names:
            raise UserError(f"{path} has no column '{column}': {nearest(column, table.column_names)}")
    try:
        metadata = json.loads((table.schema.metadata or {}).get(METADATA, b"{}"))
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise UserError(f"{path} does not say how it was made: delete it and run the same command again")
    return table, metadata


def check_types(path: Path, table: pa.Table, types: Mapping[str, pa.DataType], mend: str) -> None:
    """Raise a UserError for a column that is absent or of another type: a count as text would be added up as text."""
    for column, kind in types.items():
        found = table.schema.field(column).type if column in table.column_names else "no type, for it is absent"
        if found != kind:
            raise UserError(f"{path}: column '{column}' must be of type {kind}, but is of {found}: {mend}")


def write_table(path: Path, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a table with metadata in one step; the same content gives the same bytes."""
    told = table.replace_schema_metadata({METADATA: json.dumps(metadata, sort_keys=True)})
    write_then_rename(path, lambda temporary: pq.write_table(told, temporary, write_page_checksum=True))

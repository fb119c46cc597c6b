"""Read a Parquet file of the workflow with its `regrow` metadata, in one sentence when it cannot be read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regrow.errors import UserError, nearest


def read_parquet(path: Path, columns: Iterable[str] = ()) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of a Parquet file and the JSON under its metadata key ``regrow``.

    Parameters
    ----------
    path : Path
        The file.
    columns : iterable of str, default=()
        Columns that must be there; others are returned too.

    Returns
    -------
    rows : list of dict
        One dict per row.
    meta : dict
        Provenance written beside the rows; empty when the file carries none.

    Raises
    ------
    UserError
        When the file is missing, is not readable Parquet, or lacks a column.
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: run the stage that makes it") from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a readable Parquet file: delete it and run the same command again") from error
    for column in columns:
        if column not in table.column_names:
            raise UserError(f"{path} has no column '{column}': {nearest(column, table.column_names)}")
    meta = json.loads((table.schema.metadata or {}).get(b"regrow", b"{}"))
    return table.to_pylist(), meta

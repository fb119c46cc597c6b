"""Write the rows of a measure with the address of what was measured in front."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from regrow.io.parquet import write_table


def write_rows(
    path: Path,
    address: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, pa.DataType],
    metadata: Mapping[str, Any],
) -> None:
    """Write rows as Parquet; `address` (published, completer, concept) is the same in each, and so are its columns."""
    schema = pa.schema([(name, pa.string()) for name in address] + list(columns.items()))
    write_table(path, pa.Table.from_pylist([{**address, **row} for row in rows], schema=schema), metadata)

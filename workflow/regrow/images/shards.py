"""Append-only shards of an Arrow stream: one writer per file, and a torn tail costs one batch.

A shard is written once, from its beginning, by one process, and never opened for writing again. What a killed writer
leaves is read up to its last whole batch.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from regrow.io.files import raise_if_disk_full
from regrow.io.parquet import METADATA

SUFFIX = ".arrow"


@dataclass(frozen=True)
class Place:
    """Where a row lies: its shard, the byte at which its batch begins, and its number in the batch."""

    shard: Path
    offset: int
    row: int


class ShardWriter:
    """Write a new shard, batch by batch; a ``with`` block closes it. Without a batch there is no file.

    Parameters
    ----------
    folder : Path
        Where the shard goes.
    schema : pa.Schema
        Of every batch.
    metadata : mapping
        Provenance, written once.
    """

    def __init__(self, folder: Path, schema: pa.Schema, metadata: Mapping[str, Any]) -> None:
        # Time first, so that names sort by age; the rest keeps two writers of one moment apart.
        self.path = folder / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._schema = schema.with_metadata({METADATA: json.dumps(metadata, sort_keys=True)})
        self._sink: pa.NativeFile | None = None
        self._stream: pa.ipc.RecordBatchStreamWriter | None = None

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append one batch; once this returns, a killed process does not lose it."""
        try:
            if self._stream is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._sink = pa.OSFile(str(self.path), "wb")
                self._stream = pa.ipc.new_stream(self._sink, self._schema)
            self._stream.write_batch(pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=self._schema))
        except (OSError, pa.ArrowException) as error:
            raise_if_disk_full(error, self.path)
            raise

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is None or self._sink is None:
            return
        try:
            self._stream.close()
            self._sink.close()
        except (OSError, pa.ArrowException):
            if kind is None:  # a full disk was told already
                raise


def scan(folder: Path, columns: Sequence[str]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the place and some columns of every whole row, shard by shard.

    The file is mapped into memory, so columns that are not asked for, such as the images, are not read.
    """
    for shard in sorted(folder.glob(f"*{SUFFIX}")):
        with pa.memory_map(str(shard)) as source:
            for offset, batch in _batches(source):
                # Damaged bytes, and a type of judges that had other columns once, are as if they were not there.
                if not _is_readable(batch, columns):
                    continue
                read = [batch.column(name).to_pylist() for name in columns]
                for row, values in enumerate(zip(*read, strict=True)):
                    yield Place(shard, offset, row), dict(zip(columns, values, strict=True))


def metadata_of(shard: Path) -> dict[str, Any]:
    """Return the provenance of a shard, {} when not even its beginning is whole."""
    with pa.memory_map(str(shard)) as source:
        try:
            schema = pa.ipc.open_stream(source).schema
        except (pa.ArrowException, OSError):
            return {}
    found: dict[str, Any] = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
    return found


def read_rows(places: Sequence[Place]) -> Iterator[dict[str, Any]]:
    """Yield the rows at some places, in their order; no more than one batch is in memory."""
    opened: tuple[Path, pa.NativeFile, pa.Schema] | None = None
    held: tuple[Path, int, pa.RecordBatch] | None = None
    try:
        for place in places:
            if held is None or held[:2] != (place.shard, place.offset):
                if opened is None or opened[0] != place.shard:
                    if opened is not None:
                        opened[1].close()
                    # Not mapped: pages of a mapped file would stay in memory.
                    source = pa.OSFile(str(place.shard))
                    opened = (place.shard, source, pa.ipc.open_stream(source).schema)
                opened[1].seek(place.offset)
                batch = pa.ipc.read_record_batch(pa.ipc.read_message(opened[1]), opened[2])
                batch.validate(full=True)
                held = (place.shard, place.offset, batch)
            yield held[2].slice(place.row, 1).to_pylist()[0]
    finally:
        if opened is not None:
            opened[1].close()


def _is_readable(batch: pa.RecordBatch, columns: Sequence[str]) -> bool:
    """Return whether columns are there, offsets stay within their buffers and words are UTF-8; Arrow trusts them."""
    try:
        batch.validate(full=True)
        return set(columns) <= set(batch.schema.names)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return False


def _batches(source: pa.NativeFile) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield offset and content of every whole batch; what a killed writer cut short ends the stream."""
    try:
        stream = pa.ipc.open_stream(source)
        while True:
            offset = source.tell()
            yield offset, stream.read_next_batch()
    except StopIteration:
        return
    except (pa.ArrowException, OSError):
        return

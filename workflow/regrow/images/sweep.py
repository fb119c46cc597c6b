"""List what the store holds and remove what no index names; the only code that rewrites shards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from regrow.images.index import read_index
from regrow.images.shards import SUFFIX, Place, ShardWriter, metadata_of, read_rows, scan

BATCH = 100  # rows that are copied at once


@dataclass(frozen=True)
class Usage:
    """One model's folder of the store: its rows, those that an index names, and bytes on the disk."""

    folder: Path
    rows: int
    named: int
    bytes: int


def usage(root: Path, named: dict[str, set[str]]) -> list[Usage]:
    """Return what each model's folder holds.

    Parameters
    ----------
    root : Path
        ``results/{world}/store/images``.
    named : dict of set
        Keys that the indexes of the world name, by model.
    """
    found = []
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        keys = [row["key"] for _, row in scan(folder, ("key",))]
        wanted = named.get(folder.name, set())
        size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))
        found.append(Usage(folder, len(keys), len(wanted.intersection(keys)), size))
    return found


def sweep(folder: Path, named: set[str]) -> int:
    """Remove the rows of a model's folder that no index names, and doubled ones; return how many.

    What stays is copied to a new shard before the old ones are removed, so an interrupted sweep loses nothing. No job
    may write to the store meanwhile.
    """
    shards = sorted(folder.glob(f"*{SUFFIX}"))
    kept: dict[tuple[str, str], Place] = {}
    rows = 0
    for place, row in scan(folder, ("key", "digest")):
        rows += 1
        if row["key"] in named:
            kept.setdefault((row["key"], row["digest"]), place)
    if len(kept) == rows:
        return 0
    if kept:
        places = sorted(kept.values(), key=lambda place: (place.shard, place.offset, place.row))
        metadata = metadata_of(places[0].shard)
        with ShardWriter(folder, _schema_of(places[0].shard), metadata) as writer:
            batch: list[dict[str, object]] = []
            for row in read_rows(places):
                batch.append(row)
                if len(batch) == BATCH:
                    writer.write(batch)
                    batch = []
            if batch:
                writer.write(batch)
    for shard in shards:
        shard.unlink()
    if not kept:
        folder.rmdir()
    return rows - len(kept)


def named_keys(indexes: Iterable[Path]) -> dict[str, set[str]]:
    """Return the keys that index files name, by model."""
    named: dict[str, set[str]] = {}
    for path in indexes:
        for row in read_index(path).rows:
            named.setdefault(row["model"], set()).add(row["key"])
    return named


def _schema_of(shard: Path) -> pa.Schema:
    with pa.memory_map(str(shard)) as source:
        return pa.ipc.open_stream(source).schema.remove_metadata()

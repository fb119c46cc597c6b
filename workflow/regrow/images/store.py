"""The store: images and scores by what they are a function of. Nothing in it is declared to Snakemake.

One folder per model holds shards (`regrow.images.shards`). A key that two jobs drew at once stands twice, harmlessly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from regrow.errors import UserError
from regrow.images.shards import Place, ShardWriter, read_rows, scan

IMAGES = pa.schema([("key", pa.string()), ("digest", pa.string()), ("png", pa.binary())])


@dataclass(frozen=True)
class StoredImage:
    """An image: its key, the SHA-256 of its PNG file, and that file."""

    key: str
    digest: str
    png: bytes


class ImageStore:
    """The images of a world.

    Parameters
    ----------
    root : Path
        ``results/{world}/store/images``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, model: str, keys: Iterable[str]) -> dict[str, str]:
        """Return key and digest of those images of a model that are there."""
        wanted = set(keys)
        found: dict[str, str] = {}
        for _, row in scan(self._root / model, ("key", "digest")):
            if row["key"] in wanted:
                found.setdefault(row["key"], row["digest"])
        return found

    def writer(self, model: str, metadata: Mapping[str, Any]) -> ImageWriter:
        """Return a writer of new images of a model; `metadata` tells libraries, device and driver."""
        return ImageWriter(ShardWriter(self._root / model, IMAGES, metadata))

    def read(self, model: str, wanted: Sequence[tuple[str, str]]) -> Iterator[StoredImage]:
        """Yield images of a model by key and digest, in the order of `wanted`, one batch in memory at a time.

        Raises
        ------
        UserError
            An image that is not there, or whose bytes are not those of its digest.
        """
        places: dict[tuple[str, str], Place] = {}
        asked = set(wanted)
        for place, row in scan(self._root / model, ("key", "digest")):
            if (row["key"], row["digest"]) in asked:
                places.setdefault((row["key"], row["digest"]), place)
        if missing := [pair for pair in wanted if pair not in places]:
            raise UserError(
                f"{self._root / model} lacks {len(missing)} images that an index names (the first is "
                f"{missing[0][0][:12]}): draw them again with `snakemake --forcerun generate_images`, the rest is kept"
            )
        ordered = [places[pair] for pair in wanted]
        for (key, digest), place, row in zip(wanted, ordered, read_rows(ordered), strict=True):
            if png_digest(row["png"]) != digest:
                raise UserError(
                    f"{place.shard} holds a damaged image ({key[:12]}): delete that file and run "
                    "`snakemake --forcerun generate_images`, which draws only what is missing"
                )
            yield StoredImage(key, digest, row["png"])


class ImageWriter:
    """Append batches of images to a shard of their own; a ``with`` block closes it."""

    def __init__(self, shard: ShardWriter) -> None:
        self._shard = shard

    def write(self, images: Iterable[tuple[str, bytes]]) -> dict[str, str]:
        """Write key and PNG file of one batch; return key and digest."""
        batch = [StoredImage(key, png_digest(png), png) for key, png in images]
        self._shard.write([asdict(image) for image in batch])
        return {image.key: image.digest for image in batch}

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._shard.__exit__(*error)


class ScoreStore:
    """What one judge said of images of a world, by model.

    Parameters
    ----------
    root : Path
        ``results/{world}/store/scores/{judge}``.
    columns : pa.Schema
        The judge's own columns.
    """

    def __init__(self, root: Path, columns: pa.Schema) -> None:
        self._root = root
        self._schema = pa.schema([("key", pa.string()), *columns])

    def find(self, model: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return, by key, the judge's columns for the images that were judged already."""
        wanted = set(keys)
        found: dict[str, dict[str, Any]] = {}
        for _, row in scan(self._root / model, self._schema.names):
            key = row.pop("key")
            if key in wanted:
                found.setdefault(key, row)
        return found

    def writer(self, model: str, metadata: Mapping[str, Any]) -> ShardWriter:
        """Return a writer of rows with ``key`` and the judge's columns."""
        return ShardWriter(self._root / model, self._schema, metadata)


def png_digest(png: bytes) -> str:
    """Return the SHA-256 of a PNG file, 64 hexadecimal digits."""
    return hashlib.sha256(png).hexdigest()

"""The index of a job: which image belongs to which row of which cell, and the settings that made it. No image bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.io.parquet import read_table, write_table
from regrow.world import World

ADDRESS = ("concept", "role", "published", "attack", "prompt_set")
INDEX = pa.schema(
    [
        *((name, pa.string()) for name in ADDRESS),
        ("case", pa.int64()),
        ("prompt", pa.string()),
        ("label", pa.string()),
        ("seed", pa.int64()),
        ("key", pa.string()),
        ("digest", pa.string()),
        ("model", pa.string()),
    ]
)
METADATA = (
    *("world", "base", "settings", "sampler", "numerics", "renderer", "prompt_set"),
    *("audit", "group", "part", "models", "learned", "truncated", "versions"),
)


@dataclass(frozen=True)
class Index:
    """An index file.

    Attributes
    ----------
    path : Path
        Named in errors.
    rows : list of dict
        One per image, with the columns of `INDEX`.
    metadata : dict
        World, sampler, numerics, prompt set, and the record's digest of every model; keys as in `METADATA`.
    """

    path: Path
    rows: list[dict[str, Any]]
    metadata: dict[str, Any]

    def cells(self) -> dict[tuple[str, ...], list[dict[str, Any]]]:
        """Return the rows of each cell, by the columns of `ADDRESS`."""
        found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in self.rows:
            found.setdefault(tuple(row[name] for name in ADDRESS), []).append(row)
        return found


def write_index(path: Path, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]) -> None:
    """Write an index; the same rows and metadata give the same bytes."""
    write_table(path, pa.Table.from_pylist([dict(row) for row in rows], schema=INDEX), metadata)


def read_index(path: Path) -> Index:
    """Read an index.

    Raises
    ------
    UserError
        A missing or damaged file, a column or setting that is absent or of another type, a null, no rows, a row that
        stands twice, or one of a model that the metadata does not name.
    """
    again = "delete it and run generate_images again"
    table, metadata = read_table(path, INDEX.names)
    if missing := [key for key in METADATA if key not in metadata]:
        raise UserError(f"{path} does not say its {missing[0]}: {again}")
    for field in INDEX:
        column = table.column(field.name)
        if column.type != field.type or column.null_count:
            raise UserError(f"{path}: column '{field.name}' must be {field.type} without nulls: {again}")
    if not table.num_rows:
        raise UserError(f"{path} names no images: {again}")
    rows = table.select(INDEX.names).to_pylist()
    seen = set()
    for row in rows:
        name = (*(row[column] for column in ADDRESS), row["case"])
        if name in seen:
            raise UserError(f"{path} has case {row['case']} of {' / '.join(map(str, name[:-1]))} twice: {again}")
        if row["model"] not in metadata["models"]:
            raise UserError(f"{path}: case {row['case']} is of a model that its metadata does not name: {again}")
        seen.add(name)
    return Index(path, rows, metadata)


def check_index(index: Index, world: World) -> None:
    """Make sure that an index is of this world and renderer, and that each key is that of its row.

    Raises
    ------
    UserError
        Another base, other settings of it, another renderer, or a row that is not what its image was drawn for.
    """
    from regrow.images.renderer import RENDERER_VERSION, Numerics, Sampler, image_key

    again = "run generate_images again"
    for key, now in {"base": world.base, "settings": world.settings, "renderer": RENDERER_VERSION}.items():
        if index.metadata[key] != now:
            raise UserError(
                f"{index.path} was made with {key} {str(index.metadata[key])[:12]}, now it is {now[:12]}: {again}"
            )
    try:
        sampler, numerics = Sampler(**index.metadata["sampler"]), Numerics(**index.metadata["numerics"])
    except TypeError as error:
        raise UserError(f"{index.path} does not say how its images were drawn ({error}): {again}") from error
    for row in index.rows:
        if row["key"] != image_key(row["model"], world.settings, prompt_of(row), sampler, numerics):
            raise UserError(f"{index.path}: the image of case {row['case']} was drawn for something else: {again}")


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    """Return what the image of an index row was drawn for."""
    return Prompt(row["case"], row["prompt"], row["seed"], row["label"])

"""Tables that were made: written as CSV, read again, and what their figures need besides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.io.files import write_text
from regrow.io.parquet import read_table
from regrow.plan import paths
from regrow.plan.addresses import Cell
from regrow.plan.audit import Audit, ImageNeed
from regrow.plan.jobs import parts_of
from regrow.plan.tables import table_module
from regrow.tables.checks import check_settings
from regrow.tables.data import FigureData
from regrow.tables.frames import read_csv, read_data
from regrow.tables.scores import image_settings

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table; the same numbers give the same bytes."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def build_table(audit: Audit, table: str) -> pd.DataFrame:
    """Return a table, from files that are compared with the plan first; one that needs nothing here is empty.

    Raises
    ------
    UserError
        A file that is missing, damaged or stale, or a table that does not build what it declares.
    """
    import pandas as pd

    module = table_module(table)
    if not audit.needs(table):
        return pd.DataFrame(columns=list(module.COLUMNS))
    made: pd.DataFrame = module.build(read_data(audit, table))
    if list(made.columns) != list(module.COLUMNS):
        raise UserError(
            f"workflow/regrow/tables/{table}.py declares the columns {', '.join(module.COLUMNS)} and builds "
            f"{', '.join(map(str, made.columns))}: make both one"
        )
    return made


def read_made(audit: Audit, table: str) -> pd.DataFrame:
    """Return a table of the audit as make_table wrote it."""
    path = paths.table(audit.name, table)
    found = read_csv(path)
    if list(found.columns) != list(table_module(table).COLUMNS):
        raise UserError(f"{path} has other columns than {table} declares: make it anew with `snakemake --force {path}`")
    return found


def read_figure_data(audit: Audit, table: str) -> FigureData:
    """Return what a figure is drawn from besides its table.

    Scores are not read again: what a figure shows of them stands in the table.
    """
    data = read_data(audit, table, scores=False)
    kept, pixelated = (
        _indexes(
            audit, [need.cell for need in audit.needs(table) if isinstance(need, ImageNeed) and need.pixelated == by]
        )
        for by in (False, True)
    )
    settings = audit.params.make_figure
    return FigureData(
        data.audit,
        data.level,
        evaluations=data.evaluations,
        records=data.records,
        printed=data.printed,
        columns=settings.columns,
        dpi=settings.dpi,
        fetch=lambda digests: {
            **_fetch(audit, kept, digests),
            **_fetch(audit, pixelated, digests, pixelated=True),
        },
    )


def _indexes(audit: Audit, cells: Iterable[Cell]) -> list[Path]:
    found = (
        paths.index(audit.world_name, audit.name, cell.prompt_set, cell.group, part)
        for cell in cells
        for part in parts_of(audit, cell.prompt_set, cell.group)
    )
    return list(dict.fromkeys(found))


def _fetch(
    audit: Audit, indexes: Iterable[Path], digests: Iterable[str], pixelated: bool = False
) -> dict[str, Image.Image]:
    """Return images of the store by digest, found through the indexes, or the pixelated pictures of such images."""
    import io

    from PIL import Image

    from regrow.images.pixelated import picture_key, pixelated_store
    from regrow.images.store import ImageStore

    wanted = set(digests)
    places: dict[str, dict[str, str]] = {}
    for path in indexes:
        table, metadata = read_table(path, ("key", "digest", "model"))
        check_settings(path, metadata, image_settings(audit), f"snakemake --force {path}")
        for row in table.select(["key", "digest", "model"]).to_pylist():
            if row["digest"] in wanted:
                places.setdefault(row["model"], {}).setdefault(row["digest"], row["key"])
    root = paths.store(audit.world_name)
    store = pixelated_store(root) if pixelated else ImageStore(root / "images")
    found = {}
    for model, keys in places.items():
        pairs = [(key, digest) for digest, key in keys.items()]
        if pixelated:  # a picture has a key and a digest of its own
            own = store.find(model, [picture_key(key) for key, _ in pairs])
            pairs = [(picture_key(key), own.get(picture_key(key), "")) for key, _ in pairs]
        for digest, image in zip(keys, store.read(model, pairs), strict=True):
            found[digest] = Image.open(io.BytesIO(image.png)).convert("RGB")
    return found

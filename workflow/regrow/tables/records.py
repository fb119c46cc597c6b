"""Read records of models and the index of the world, and compare them with the plan."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from regrow.model.records import read_record
from regrow.plan import paths
from regrow.plan.addresses import Model
from regrow.plan.audit import Audit
from regrow.plan.records import settings_of
from regrow.tables.checks import check_settings
from regrow.world import World, read_world


def checked_record(audit: Audit, model: Model, path: Path) -> dict[str, Any]:
    """Return a record whose settings are those of now, and whose published model and base are too.

    Raises
    ------
    UserError
        A missing or damaged record, or one of other settings.
    """
    record = read_record(path)
    mend = f"snakemake --force {path}"
    check_settings(path, record, settings_of(audit, model), mend)
    expected = {"base": world_of(audit).base}
    if "published_model" in record:
        published = audit.published_model(model.published, model.concept)
        if published.record is not None:
            expected["published_model"] = checked_record(audit, published, published.record)["model"]
    check_settings(path, record, expected, mend)
    return record


def read_records(audit: Audit, models: Iterable[Model]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the records of models by (published, attack, concept)."""
    return {
        (model.published, model.attack, model.concept): checked_record(audit, model, model.record)
        for model in models
        if model.record is not None
    }


def world_of(audit: Audit) -> World:
    """Return what index_world found."""
    path = paths.index_world(audit.world_name)
    # Remembered by its time and size: it is asked for once per file that is compared.
    stat = path.stat() if path.is_file() else None
    return _world(path.absolute(), (stat.st_mtime_ns, stat.st_size) if stat else None)


@lru_cache(maxsize=8)
def _world(path: Path, stamp: tuple[int, int] | None) -> World:
    return read_world(path)

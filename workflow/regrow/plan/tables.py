"""Find a table by its file: one module per table in ``regrow/tables/<family>``, light enough for every plan."""

import importlib
import os
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

from regrow.errors import UserError, nearest
from regrow.places import ROOT

FOLDER = Path(__file__).parents[1] / "tables"
REQUIRED = ("TITLE", "CAPTION", "COLUMNS", "SOURCE", "REPORTED", "needs", "build")


def table_names() -> list[str]:
    """Return the tables that there are, such as roots/table1, without importing them."""
    return [
        f"{family.name}/{module.name}"
        for family in pkgutil.iter_modules([str(FOLDER)])
        if family.ispkg
        for module in pkgutil.iter_modules([str(FOLDER / family.name)])
        if not module.name.startswith("_")
    ]


def module_name(table: str) -> str:
    """Return the dotted name of a table's module."""
    return f"regrow.tables.{table.replace('/', '.')}"


@cache
def table_module(table: str) -> ModuleType:
    """Import a table's module.

    Raises
    ------
    UserError
        No such table, with the nearest, or a module that lacks what a table declares.
    """
    if table not in (known := table_names()):
        raise UserError(f"unknown table '{table}': {nearest(table, known)}")
    module = importlib.import_module(module_name(table))
    for name in REQUIRED:
        if not hasattr(module, name):
            raise UserError(f"workflow/regrow/tables/{table}.py declares no {name}: add it; see CONTRIBUTING.md")
    return module


def has_figure(table: str) -> bool:
    """Return whether a table draws a figure."""
    return hasattr(table_module(table), "draw")


def also_read(audit: object, table: str) -> str:
    """Return in words what a table reads of an audit beside what it asks for, by its own ``also_reads(audit)``.

    What stands here is part of what a table is a function of: without it, a changed list would leave an old table.
    """
    module = table_module(table)
    return str(module.also_reads(audit)) if hasattr(module, "also_reads") else ""


def reported_file(table: str) -> Path | None:
    """Return the CSV of what a paper prints beside this table, or None."""
    name = table_module(table).REPORTED
    # Seen from here, for Snakemake makes again what was made of a file of another name.
    return Path(os.path.relpath(ROOT / "data/reported" / table.partition("/")[0] / name)) if name else None

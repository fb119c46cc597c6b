"""What a judge declares: its folder, its type's module, its columns, whether it judges images or sets, its labels."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from regrow.config.files import WorldFile
from regrow.config.reader import read_yaml
from regrow.dependencies import constant, path_of
from regrow.errors import UserError, nearest
from regrow.places import data_path


def judge_folder(world: WorldFile, judge: str) -> Path:
    """Return the folder of a judge of a world."""
    if judge not in world.judges:
        raise UserError(f"unknown judge '{judge}': {nearest(judge, world.judges)}")
    return data_path(world.judges[judge])


def judge_module(world: WorldFile, judge: str) -> str:
    """Return the dotted name of the module that a judge's ``judge.yaml`` names as its type."""
    folder = judge_folder(world, judge)
    kind = str(settings_of_judge(world, judge).get("type"))
    if path_of(f"regrow.judge.{kind}") is None or kind.startswith("_"):
        known = (path.stem for path in Path(__file__).parents[1].joinpath("judge").glob("[a-z]*.py"))
        raise UserError(f"{folder / 'judge.yaml'}: unknown type '{kind}': {nearest(kind, known)}")
    return f"regrow.judge.{kind}"


def settings_of_judge(world: WorldFile, judge: str) -> dict[str, Any]:
    """Return what a judge.yaml says, or what it will say once the judge is fetched."""
    folder = judge_folder(world, judge)
    if not (folder / "judge.yaml").is_file() and (origin := world.fetch.get(folder.name)):
        return dict(origin.judge)
    return read_yaml(folder / "judge.yaml")


def classifier_beside(world: WorldFile, judge: str) -> Path | None:
    """Return the folder of the classifier whose features a judge takes, or None."""
    named = settings_of_judge(world, judge).get("classifier")
    return None if named is None else Path(os.path.normpath(judge_folder(world, judge) / str(named)))


def reference_of(world: WorldFile, judge: str) -> Path | None:
    """Return the file that a judge of sets compares with, or None."""
    named = settings_of_judge(world, judge).get("reference")
    return None if named is None else Path(str(named))


def declared(world: WorldFile, judge: str, name: str) -> Any:
    """Return a constant of a judge's module, such as PER or COLUMNS."""
    return _constant(judge_module(world, judge), name)


@cache
def _constant(module: str, name: str) -> Any:
    try:
        return constant(module, name)
    except (AttributeError, ValueError) as error:
        raise UserError(f"{module} must assign {name} a plain value at its top level; see CONTRIBUTING.md") from error

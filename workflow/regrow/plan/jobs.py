"""Jobs that draw and judge images, and what each table, figure and report waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.images.prompts import Prompt, distinct, read_prompts, select_rows
from regrow.places import data_path
from regrow.plan import paths
from regrow.plan.addresses import ANY, SHARED_GROUP, Cell
from regrow.plan.audit import Audit, EvaluationNeed, ImageNeed, Need, RecordNeed
from regrow.plan.expected import expected_rows
from regrow.plan.judges import declared
from regrow.plan.memory import remembered
from regrow.plan.tables import has_figure


@dataclass(frozen=True)
class Job:
    """Images of one prompt set and one group of models, for a range of rows.

    Attributes
    ----------
    prompt_set, group : str
        A group is a concept, or the pretrained model alone.
    part : int
        Number of the range.
    first, last : int
        The rows from `first` up to, not including, `last` of those that are selected for the group.
    cells : tuple of Cell
        The models that draw them.
    """

    prompt_set: str
    group: str
    part: int
    first: int
    last: int
    cells: tuple[Cell, ...]


@remembered
def jobs_of(audit: Audit) -> list[Job]:
    """Return the jobs that draw every image that the audit's tables ask for."""
    found = []
    for prompt_set in audit.counts:
        groups: dict[str, list[Cell]] = {}
        for cell in audit.wanted_cells:
            if cell.prompt_set == prompt_set:
                groups.setdefault(cell.group, []).append(cell)
        for group, cells in groups.items():
            count, size = len(rows_of(audit, prompt_set, group)), audit.params.generate_images.rows_per_job
            found += [
                Job(prompt_set, group, part, part * size, min((part + 1) * size, count), tuple(cells))
                for part in range(ceil(count / size))
            ]
    return found


@remembered
def parts_of(audit: Audit, prompt_set: str, group: str) -> range:
    """Return the numbers of a group's jobs."""
    return range(ceil(len(rows_of(audit, prompt_set, group)) / audit.params.generate_images.rows_per_job))


def job_argument(audit: Audit, job: Job) -> dict[str, Any]:
    """Return what the stage generate_images is told of a job."""
    return {
        "audit": audit.name,
        "group": job.group,
        "part": job.part,
        "prompt_set": {**prompt_settings(audit, job.prompt_set), "judges": []},  # who looks at an image changes none
        "first": job.first,
        "last": job.last,
        "cells": [
            {
                **{key: value for key, value in cell.address.items() if key != "prompt_set"},
                "model": _text(cell.model.path),
                "record": _text(cell.record),
                "prompts": _text(cell.prompts),
                "label": audit.label(cell.concept),
                "n": audit.counts[cell.prompt_set],
            }
            for cell in job.cells
        ],
    }


def prompt_settings(audit: Audit, prompt_set: str) -> dict[str, Any]:
    """Return the settings of a prompt set, its file seen from here where all concepts share it."""
    settings = audit.world.prompt_sets[prompt_set]
    file = settings.file if settings.scope == "concept" else data_path(settings.file).as_posix()
    return {**settings.model_dump(mode="json"), "file": file}


def prompt_file(audit: Audit, prompt_set: str, group: str) -> Path:
    """Return the CSV file of a group's prompts."""
    settings = audit.world.prompt_sets[prompt_set]
    return audit.pack_folder(group) / settings.file if settings.scope == "concept" else data_path(settings.file)


@remembered
def rows_of(audit: Audit, prompt_set: str, group: str) -> list[Prompt]:
    """Return the rows that a group's models are asked for; before a file is fetched, rows of the same numbers.

    Raises
    ------
    UserError
        A missing or broken file, or fewer rows than the audit counts.
    """
    settings, path = audit.world.prompt_sets[prompt_set], prompt_file(audit, prompt_set, group)
    label = audit.label(ANY if group == SHARED_GROUP else group)
    named = settings.model_copy(update={"file": str(path)})  # for errors
    return select_rows(named, _all_rows(audit, prompt_set, path), label, audit.counts[prompt_set])


@remembered
def counted(audit: Audit, prompt_set: str, group: str) -> tuple[int, int]:
    """Return how many rows a model of a group is asked for, and how many distinct images they are."""
    rows = rows_of(audit, prompt_set, group)
    return len(rows), len(distinct(rows))


def counted_part(audit: Audit, job: Job) -> tuple[int, int]:
    """Return how many rows of a job a model is asked for, and how many distinct images they are."""
    rows = rows_of(audit, job.prompt_set, job.group)[job.first : job.last]
    return len(rows), len(distinct(rows))


@remembered
def _all_rows(audit: Audit, prompt_set: str, path: Path) -> list[Prompt]:
    origin = audit.fetched_prompts(prompt_set)
    if origin is not None and not path.is_file():
        return expected_rows(audit.world.fetch_prompts[origin])
    return read_prompts(path, audit.world.prompt_sets[prompt_set])


def _text(path: Path | None) -> str | None:
    return None if path is None else path.as_posix()


@remembered
def judges_sets(audit: Audit, judge: str) -> bool:
    """Return whether a judge judges a set of images as a whole."""
    return bool(declared(audit.world, judge, "PER") == "set")


def records_of(audit: Audit, cell: Cell) -> list[Path]:
    """Return the records that say what was done to a cell's model, the publisher's first."""
    model = cell.model
    publisher = audit.publisher_of(model)
    records = [publisher.record if publisher else None, cell.record]
    return [path for path in dict.fromkeys(records) if path is not None]


def ladder_completed(audit: Audit, published: str, completer: str, concept: str) -> list[Path]:
    """Return the completion that is the ladder's rung of exact zeros; a defence may have filled all zeros."""
    if audit.params.publish_model[published].defence:
        return []
    return [paths.completed(audit.world_name, published, completer, concept)]


@remembered
def inputs_of_need(audit: Audit, need: Need) -> list[Path]:
    """Return the files that hold what a table asks for, and the records against which they are checked."""
    world = audit.world_name
    if isinstance(need, EvaluationNeed):
        file = paths.evaluation(world, need.stage, need.published, need.completer, need.concept, need.name)
        record = audit.published_model(need.published, need.concept).record
        return [file, record] if record else [file]
    if isinstance(need, RecordNeed):
        return records_of(audit, Cell(need.model, "", record=need.model.record))
    cell = need.cell
    if cell.prompt_set not in audit.counts:
        raise UserError(f"audit '{audit.name}' counts no images of '{cell.prompt_set}', which a table asks for: add it")
    parts = parts_of(audit, cell.prompt_set, cell.group)
    # A fetched file is among them, so that it is there when the rows of a table are compared with it.
    prompts = [prompt_file(audit, cell.prompt_set, cell.group)] if audit.fetched_prompts(cell.prompt_set) else []
    if isinstance(need, ImageNeed):
        return [*prompts, *(paths.index(world, audit.name, cell.prompt_set, cell.group, part) for part in parts)]
    if judges_sets(audit, need.judge):
        scores = [paths.set_score(world, audit.name, need.judge, cell.prompt_set, cell.group)]
    else:
        scores = [paths.score(world, audit.name, need.judge, cell.prompt_set, cell.group, part) for part in parts]
    return [*scores, *prompts, *records_of(audit, cell)]


@remembered
def inputs_of_table(audit: Audit, table: str) -> list[Path]:
    """Return what the stage make_table waits for."""
    needs = [need for need in audit.needs(table) if not isinstance(need, ImageNeed)]
    return list(dict.fromkeys(path for need in needs for path in inputs_of_need(audit, need)))


@remembered
def inputs_of_figure(audit: Audit, table: str) -> list[Path]:
    """Return what the stage make_figure waits for: the table, what it was made of, and the indexes of its pictures."""
    needed = [path for need in audit.needs(table) for path in inputs_of_need(audit, need)]
    return list(dict.fromkeys([paths.table(audit.name, table), *needed]))


def tables_of(audit: Audit) -> list[Path]:
    """Return the tables of an audit."""
    return [paths.table(audit.name, table) for table in audit.tables]


def figures_of(audit: Audit) -> list[Path]:
    """Return the figures of an audit."""
    return [paths.figure(audit.name, table) for table in audit.tables if has_figure(table)]


def report_of(audit: Audit) -> Path:
    """Return the report of an audit."""
    return paths.audit_folder(audit.name) / "report.html"


def concepts_of(audit: Audit) -> list[str]:
    """Return the concepts that an audit erases: its own, and the one whose mask serves as another's."""
    other = audit.params.ablate_mask_knowledge.other
    return [*audit.concepts, *([other] if other else [])]


def results_of(audit: Audit, tables: Sequence[str]) -> list[Path]:
    """Return what some tables and their figures wait for in the folder of the world."""
    found = dict.fromkeys(path for table in tables for path in inputs_of_table(audit, table))
    return [*found, *(path for table in tables for path in inputs_of_figure(audit, table)[1:] if path not in found)]

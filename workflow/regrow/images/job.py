"""What a job of generate_images is to draw: some rows of a prompt set, with the models of one group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from regrow.concepts import read_concept
from regrow.errors import UserError
from regrow.images.prompts import Prompt, PromptSet, read_learned, read_prompts, select_rows
from regrow.images.screen.apply import Screened, check_rows_left, lists_for, screen_rows
from regrow.images.screen.packs import check_pack

ANY = "any"  # the concept of the pretrained model that serves every concept


class CellJob(BaseModel):
    """One model of a job.

    Attributes
    ----------
    concept, role, published, attack : str
        The cell's address; concept ``any`` for the pretrained model that serves all concepts.
    model, record : Path or None
        The delta and what was done to it; None for the pretrained model.
    prompts : Path or None
        What an attack learned in place of the prompt set's own prompts.
    label : str or None
        What a judge calls the concept.
    n : int
        Rows of the prompt set that the audit counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    concept: str
    role: str
    published: str
    attack: str
    model: Path | None
    record: Path | None
    prompts: Path | None
    label: str | None
    n: int

    @property
    def address(self) -> dict[str, str]:
        """The cell's columns in every file, but for the prompt set."""
        return {"concept": self.concept, "role": self.role, "published": self.published, "attack": self.attack}


class Job(BaseModel):
    """A job: the rows from `first` up to, but without, `last` of those that are selected for each cell."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    audit: str
    group: str
    part: int
    prompt_set: PromptSet
    first: int = Field(ge=0)
    last: int = Field(ge=1)
    cells: list[CellJob] = Field(min_length=1)


def read_job(job: Mapping[str, Any]) -> Job:
    """Check a job; one that is not whole, or names a cell twice, is a UserError."""
    try:
        asked = Job.model_validate(job)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "job"
        raise UserError(f"the job's {where} is no good: {first['msg'].lower()}: let the workflow write it") from error
    addresses = [tuple(cell.address.values()) for cell in asked.cells]
    for address in addresses:
        if addresses.count(address) > 1:
            raise UserError(f"the job names the cell {' / '.join(address)} twice: give each once")
    return asked


def prompt_file(job: Job, cell: CellJob, concepts: Path) -> Path:
    """Return the file of a cell's prompts; `concepts` is the folder of the concept packs."""
    own = job.prompt_set.scope == "concept"
    return concepts / cell.concept / job.prompt_set.file if own else Path(job.prompt_set.file)


def screened_rows(job: Job, concepts: Path) -> tuple[list[list[Prompt]], dict[str, dict[str, list[int]]]]:
    """Return the rows that each cell of a job draws, and the cases that the screen's lists drop.

    Cases stand under ``prompts`` for the prompt set's own rows, and under the file's path for learned prompts.

    Raises
    ------
    UserError
        As `rows_of`, or a concept pack that may not be drawn with.
    """
    kinds: dict[str, str | None] = {ANY: None}
    for name in sorted({cell.concept for cell in job.cells} - {ANY}):
        concept = read_concept(concepts / name)
        check_pack(concept, concepts / name / "concept.yaml")
        kinds[name] = concept.kind
    rows, dropped = [], {}
    for cell in job.cells:
        own, found = rows_of(job, cell, concepts, kinds[cell.concept])
        rows.append(found.rows)
        dropped["prompts"] = own.dropped
        if cell.prompts:
            dropped[cell.prompts.as_posix()] = found.dropped
    return rows, dropped


def rows_of(job: Job, cell: CellJob, concepts: Path, kind: str | None) -> tuple[Screened, Screened]:
    """Return the rows that a cell of a job draws: the file's own, and those with learned prompts in their places.

    Both are screened, and without learned prompts they are the same; `kind` is that of the cell's concept.

    Raises
    ------
    UserError
        A broken file, too few rows, a case for which nothing was learned, or no row that may be drawn.
    """
    path = prompt_file(job, cell, concepts)
    # Errors name the file as it lies there.
    prompt_set = job.prompt_set.model_copy(update={"file": path.as_posix()})
    rows = select_rows(prompt_set, read_prompts(path, prompt_set), cell.label, cell.n)[job.first : job.last]
    if not rows:
        raise UserError(f"part {job.part} of prompt set '{prompt_set.name}' has no rows: it begins at {job.first}")
    own = screen_rows(rows, lists_for(prompt_set, kind))
    check_rows_left(own, prompt_set, f"part {job.part}")
    if cell.prompts is None:
        return own, own
    learned = read_learned(cell.prompts)
    if unlearned := [row.case for row in own.rows if row.case not in learned]:
        raise UserError(f"{cell.prompts} has no prompt for case {unlearned[0]}: run attack_prompts again")
    asked = [replace(row, prompt=learned[row.case]) for row in own.rows]
    found = screen_rows(asked, lists_for(prompt_set, kind, learned=True))
    check_rows_left(found, prompt_set, f"what {cell.attack} learned for part {job.part}")
    return own, found

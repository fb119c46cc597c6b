"""Prompt sets: which rows of a CSV file are drawn, and what their images should show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from regrow.errors import UserError
from regrow.images.csv_rows import CsvRows, read_csv, same_text

# What a torch.Generator takes. Strict: a seed in a YAML file is a number, not a word or a truth.
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Role = Literal["prompt", "seed", "label", "case", "target"]
USUAL: dict[Role, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "seed": ("seed", "evaluation_seed"),
    "label": ("label", "class", "artist", "artists"),
    "case": ("case", "case_number", "image_id"),
    "target": ("target_prompt",),
}


@dataclass(frozen=True)
class Prompt:
    """One row of a prompt set.

    Attributes
    ----------
    case : int
        The row's own number in its file, where it has one (``case_number``, ``image_id``); else its position, from 0.
    prompt : str
        What the model is asked for.
    seed : int
        Seed of the image's own generator.
    label : str
        What a judge should see; empty where nobody says.
    target : str
        Of a prompt that an attack once learned, the text that it aims at: the screen reads it too.
    """

    case: int
    prompt: str
    seed: int
    label: str
    target: str = ""


class PromptSet(BaseModel):
    """A prompt set as a world file states it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1, description="what results and tables call it")
    scope: Literal["concept", "model"] = Field(
        description="whether each concept pack has its own file, or all share one"
    )
    file: str = Field(min_length=1, description="CSV file; relative to the concept pack where the scope is concept")
    columns: dict[Role, str | None] = Field(
        default={}, description="header of each column where it is not a usual one; null: do not read that column"
    )
    seed: Literal["column"] | Seed = Field(default="column", description="a column, or one seed for all rows")
    labels: Literal["concept", "others", "none"] = Field(
        description="concept: the rows that show the concept, all of them where the file is a pack's own; others: the "
        "rows that show something else; none: no labels"
    )
    balance: Literal["none", "round_robin"] = Field(
        default="none", description="round_robin: labels take turns, in the order in which the file first names them"
    )
    judges: list[str] = Field(default=[], description="the judges that its images go to")
    sensitive: bool = Field(description="whether it must be screened before any image; a set of unknown content is")


def read_prompts(path: Path, prompt_set: PromptSet | None = None, skip_blank: bool = False) -> list[Prompt]:
    """Read the rows of a prompt set's file, in its order.

    Parameters
    ----------
    path : Path
        A CSV file with a prompt in each row, and a seed and a label unless `prompt_set` does without.
    prompt_set : PromptSet, optional
        Says which columns are read; without it, the usual ones, all of them.
    skip_blank : bool
        Leave out rows whose prompt is blank.

    Raises
    ------
    UserError
        No such file, no CSV, rows of another shape than the header, a column that is absent, doubled or has a rival, a
        blank prompt or label, a seed that is no whole number, or a label with characters that nobody sees.
    """
    table = read_csv(path, "prompt set")
    columns: Mapping[Role, str | None] = prompt_set.columns if prompt_set else {}
    labels = prompt_set.labels if prompt_set else "others"
    fixed = prompt_set.seed if prompt_set and prompt_set.seed != "column" else None
    prompts = _column(table, "prompt", columns)
    seeds = _column(table, "seed", columns) if fixed is None else None
    # A concept's own file need not repeat the concept's label in every row.
    named = _column(table, "label", columns, optional=labels == "concept") if labels != "none" else None
    targets = _column(table, "target", columns, optional=True)
    cases = _cases(table, columns)
    if prompts is None or (fixed is None and seeds is None):
        raise UserError(f"{path}: the columns 'prompt' and 'seed' cannot be left out; give a seed for all rows instead")
    rows = []
    for case, (line, fields) in zip(cases, table.rows, strict=True):
        where = f"{path}, line {line}"
        if not fields[prompts].strip():
            if skip_blank:
                continue
            raise UserError(f"{where}: the prompt is blank: fill it in or delete the row")
        seed = _seed(fields[seeds], where) if seeds is not None else int(fixed or 0)
        label = _label(fields[named], where) if named is not None else ""
        rows.append(Prompt(case, fields[prompts], seed, label, fields[targets] if targets is not None else ""))
    return rows


def read_learned(path: Path) -> dict[int, str]:
    """Read the prompts that an attack learned, by case: columns ``case`` and ``prompt``.

    Raises
    ------
    UserError
        As `read_prompts`; or a case that is no whole number or stands twice.
    """
    table = read_csv(path, "file of learned prompts")
    prompt = table.column("prompt")
    return dict(zip(_cases(table, {"case": "case"}), (fields[prompt] for _, fields in table.rows), strict=True))


def select_rows(prompt_set: PromptSet, rows: Sequence[Prompt], label: str | None, n: int) -> list[Prompt]:
    """Return the first `n` rows of a prompt set for one concept, in the order of the file.

    Parameters
    ----------
    prompt_set : PromptSet
        Its `labels` and `balance` decide which rows.
    rows : sequence of Prompt
        All rows of its file, from `read_prompts`.
    label : str or None
        The concept's label. None, for the pretrained model that serves all concepts: every row that is selected for
        any label of the file.
    n : int
        Rows of one concept.

    Raises
    ------
    UserError
        Fewer than `n` rows, or one that bears another label than the concept's own prompts must.
    """
    if label is None and prompt_set.labels != "none":
        if prompt_set.scope == "concept":
            raise UserError(f"prompt set '{prompt_set.name}' is one concept's own, so it needs the concept's label")
        chosen = {
            row.case
            for found in dict.fromkeys(same_text(row.label) for row in rows)
            for row in select_rows(prompt_set, rows, found, n)
        }
        return [row for row in rows if row.case in chosen]
    if label is not None and prompt_set.labels == "concept":
        if prompt_set.scope == "model":
            rows = [row for row in rows if same_text(row.label) == same_text(label)]
        # Several spellings of one label would be several labels in a table.
        rows = [replace(_same_label(prompt_set, row, label), label=label) for row in rows]
    elif label is not None and prompt_set.labels == "others":
        rows = [row for row in rows if same_text(row.label) != same_text(label)]
    ordered = _round_robin(rows) if prompt_set.balance == "round_robin" else rows
    if n < 1 or len(ordered) < n:
        raise UserError(
            f"prompt set '{prompt_set.name}' ({prompt_set.file}) has only {len(ordered)} rows to use where {n} are "
            "needed: add rows, or change its count in the audit"
        )
    cases = {row.case for row in ordered[:n]}
    return [row for row in rows if row.case in cases]


def distinct(rows: Sequence[Prompt]) -> list[Prompt]:
    """Return the first row of every pair of prompt and seed: equal rows are one image, and count once for intervals."""
    first: dict[tuple[str, int], Prompt] = {}
    for row in rows:
        first.setdefault((row.prompt, row.seed), row)
    return list(first.values())


def _same_label(prompt_set: PromptSet, row: Prompt, label: str) -> Prompt:
    if row.label and same_text(row.label) != same_text(label):
        raise UserError(
            f"prompt set '{prompt_set.name}' ({prompt_set.file}), case {row.case}: the label is {ascii(row.label)}, "
            f"but the concept's is {ascii(label)}: correct one"
        )
    return row


def _round_robin(rows: Sequence[Prompt]) -> list[Prompt]:
    turns: dict[str, list[Prompt]] = {}
    for row in rows:
        turns.setdefault(same_text(row.label), []).append(row)
    return [row for row in chain.from_iterable(zip_longest(*turns.values())) if row is not None]


def _column(table: CsvRows, role: Role, columns: Mapping[Role, str | None], optional: bool = False) -> int | None:
    """Return the position of what a prompt set reads as `role`, None when it reads no such column."""
    if role in columns:
        name = columns[role]
        return None if name is None else table.column(name)
    present = [name for name in USUAL[role] if name in table.header]
    # Two numbers of a row cannot both be its seed, and neither is the obvious one.
    if len(present) > 1 and role != "case":
        raise UserError(
            f"{table.path} has the columns {', '.join(present)}, and each may be the {role}: say which under `columns` "
            f"of the prompt set, e.g. {role}: {present[-1]}"
        )
    if not present and not optional:
        names = ", ".join(ascii(name)[1:-1] for name in table.header if name)
        raise UserError(
            f"{table.path} has no column '{role}' but {names}: add it, or name the one to read under `columns` of the "
            "prompt set"
        )
    return table.column(present[0]) if present else None


def _cases(table: CsvRows, columns: Mapping[Role, str | None]) -> list[int]:
    """Return the file's own numbers of its rows, where they are numbers and unique; else positions."""
    column = _column(table, "case", columns, optional=True)
    own = [fields[column].strip() for _, fields in table.rows] if column is not None else []
    if own and all(_is_whole(case) for case in own) and len({int(case) for case in own}) == len(own):
        return [int(case) for case in own]
    if columns.get("case"):
        raise UserError(
            f"{table.path}: '{columns['case']}' does not number the rows: give each a whole number of its own"
        )
    return list(range(len(table.rows)))


def _seed(text: str, where: str) -> int:
    if not _is_whole(text.strip()):
        raise UserError(
            f"{where}: the seed {ascii(text)} is no whole number from 0 to 2^63 - 1: correct it, or give one seed for "
            "all rows under `seed` of the prompt set"
        )
    return int(text)


def _label(text: str, where: str) -> str:
    label = text.strip()
    if not label:
        raise UserError(f"{where}: the label is blank: fill it in or delete the row")
    if hidden := next((letter for letter in label if unicodedata.category(letter) in ("Cc", "Cf")), None):
        raise UserError(
            f"{where}: the label {ascii(label)} holds {ascii(hidden)}, which nobody sees: delete that character"
        )
    return label


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) < 2**63

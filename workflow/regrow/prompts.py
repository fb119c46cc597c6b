"""Prompt sets: CSV files of prompts with seeds and labels, in this project's or the paper's columns."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from regrow.errors import UserError

COLUMNS = {"prompt": ("prompt",), "seed": ("seed", "evaluation_seed"), "label": ("label", "class")}


@dataclass(frozen=True)
class Prompt:
    """One row of a prompt set.

    Attributes
    ----------
    case : int
        Number of the row in its file, from 0.
    prompt : str
        What the model is asked for.
    seed : int
        Seed of the image's own generator.
    label : str
        What the judge should see.
    """

    case: int
    prompt: str
    seed: int
    label: str


def read_prompts(path: Path) -> list[Prompt]:
    """Read a prompt set; columns prompt, seed (or evaluation_seed) and label (or class), others are ignored.

    Raises
    ------
    UserError
        No such file, a missing column, an empty file, a prompt that is blank or a seed that is no whole number >= 0.
    """
    if not path.is_file():
        raise UserError(f"there is no prompt set {path}: make it or correct the path")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:  # a spreadsheet writes a byte-order mark
            reader = csv.DictReader(stream)
            present, rows = list(reader.fieldnames or []), list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file in UTF-8 ({error}): save it as one") from error
    found = {}
    for column, names in COLUMNS.items():
        names_present = [name for name in names if name in present]
        if not names_present:
            raise UserError(f"{path} has no column '{column}' but {', '.join(present) or 'nothing'}: add it")
        found[column] = names_present[0]
    prompts = [_prompt(path, case, {c: row[n] for c, n in found.items()}) for case, row in enumerate(rows)]
    if not prompts:
        raise UserError(f"{path} holds no prompts: add some")
    return prompts


def erased_rows(prompts: list[Prompt], n: int, path: Path, label: str) -> list[Prompt]:
    """Return the first `n` rows of a concept's own prompts, which must all bear its label."""
    for row in prompts:
        if row.label != label:
            raise UserError(
                f"{path}, row {row.case + 1}: the label is '{row.label}', but the concept's is '{label}': correct one"
            )
    return _first(prompts, n, path)


def preserved_rows(prompts: list[Prompt], n: int, path: Path, label: str | None) -> list[Prompt]:
    """Return the first `n` rows about anything but `label`.

    With `label` None: the shortest beginning of the file that holds these rows for every label.
    """
    if label is not None:
        return _first([row for row in prompts if row.label != label], n, path)
    seen: Counter[str] = Counter()
    for length, row in enumerate(prompts, 1):
        seen[row.label] += 1
        if length - max(seen.values()) >= n:
            return prompts[:length]
    return _first([], n, path)


def _first(rows: list[Prompt], n: int, path: Path) -> list[Prompt]:
    if len(rows) < n:
        raise UserError(
            f"{path} has only {len(rows)} rows to use where {n} are needed: add rows, or lower n in params.yaml"
        )
    return rows[:n]


def _prompt(path: Path, case: int, row: dict[str, str]) -> Prompt:
    if not (row["prompt"] or "").strip():
        raise UserError(f"{path}, row {case + 1}: the prompt is blank: fill it in or delete the row")
    seed = (row["seed"] or "").strip()
    if not seed.isdecimal() or len(seed) > 19 or int(seed) >= 2**63:  # what a torch.Generator takes
        raise UserError(
            f"{path}, row {case + 1}: the seed '{row['seed']}' is no whole number from 0 to 2^63 - 1: correct it"
        )
    return Prompt(case, row["prompt"], int(row["seed"]), (row["label"] or "").strip())

"""Draw the concept's own prompts with several models, and count in how many images the judge sees the concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regrow.check.setting import Setting
from regrow.errors import UserError
from regrow.images.csv_rows import same_text
from regrow.images.prompts import PromptSet, read_prompts
from regrow.io.parquet import read_table
from regrow.stages import generate_images, score_images
from regrow.tables.intervals import wilson

DEFAULT = 100  # images of each model: enough to tell .06 from .20
OTHERS = 24  # images of other things, to see whether the model draws at all


@dataclass(frozen=True)
class Count:
    """In how many of a model's distinct images the judge sees what was asked for, with Wilson's interval."""

    correct: int
    n: int
    low: float
    high: float

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.correct} of {self.n} ({self.low:.2f} to {self.high:.2f})"


def count(correct: int, n: int, level: float) -> Count:
    """Return a count with its interval."""
    low, high = wilson(correct, n, level)
    return Count(correct, n, float(low), float(high))


def number_of_images(setting: Setting, asked: int | None) -> int:
    """Return how many rows of the concept's prompts are drawn: as many as asked for, or the default.

    Raises
    ------
    UserError
        Fewer than one, or more than there are.
    """
    rows = read_prompts(_file(setting, setting.prompt_set), setting.prompt_set)
    if setting.prompt_set.scope == "model":
        rows = [row for row in rows if same_text(row.label) == same_text(setting.concept.label)]
    if asked is None:
        return min(DEFAULT, len(rows))
    if not 1 <= asked <= len(rows):
        raise UserError(f"--images is {asked}, but concept '{setting.concept.name}' has 1 to {len(rows)} prompts")
    return asked


@dataclass(frozen=True)
class Cell:
    """A model to draw with: the pipeline of a world.json itself, or a delta against it."""

    name: str
    model: Path | None = None
    record: Path | None = None


def draw_and_judge(
    setting: Setting, prompt_set: PromptSet, world: Path, cells: Sequence[Cell], n: int, folder: Path, device: str
) -> dict[str, Count]:
    """Return the count of every cell; what the folder's store holds is not drawn again.

    Parameters
    ----------
    setting : Setting
        World, concept and judge.
    prompt_set : PromptSet
        One of the setting's.
    world : Path
        world.json of the pipeline.
    cells : sequence of Cell
        Models of that pipeline.
    n : int
        Rows of the prompt set.
    folder : Path
        Where images, scores and indexes are kept.
    device : str
        For example ``cpu`` or ``cuda``.
    """
    params = setting.params
    name = f"{world.parent.name}-{prompt_set.name}"
    index, scores, store = folder / f"{name}-images.parquet", folder / f"{name}-scores.parquet", folder / "store"
    job = {
        "audit": "check",
        "group": setting.concept.name,
        "part": 0,
        "prompt_set": prompt_set.model_dump(mode="json"),
        "first": 0,
        "last": n,
        "cells": [_cell(setting, cell, n) for cell in cells],
    }
    asked = params.generate_images
    generate_images.run(
        world,
        job,
        store,
        {"steps": asked.steps, "guidance": asked.guidance},
        {"dtype": asked.dtype, "vae_tiling": asked.vae_tiling},
        asked.batch,
        asked.attention_slicing,
        asked.cpu_offload,
        device,
        index,
    )
    score_images.run(world, index, setting.judge, setting.judge_name, store, params.score_images.batch, device, scores)
    table, _ = read_table(scores, ["attack", "prompt", "seed", "correct"])
    return {cell.name: _count(table.to_pylist(), cell.name, params.make_table.level) for cell in cells}


def _cell(setting: Setting, cell: Cell, n: int) -> dict[str, Any]:
    return {
        "concept": setting.concept.name,
        "role": "attacked" if cell.model else "erased",
        "published": "published",
        "attack": cell.name,
        "model": None if cell.model is None else str(cell.model),
        "record": None if cell.record is None else str(cell.record),
        "prompts": None,
        "label": setting.concept.label,
        "n": n,
    }


def _count(rows: Sequence[Mapping[str, Any]], attack: str, level: float) -> Count:
    distinct = {(row["prompt"], row["seed"]): bool(row["correct"]) for row in rows if row["attack"] == attack}
    return count(sum(distinct.values()), len(distinct), level)


def _file(setting: Setting, prompt_set: PromptSet) -> Path:
    own = prompt_set.scope == "concept"
    return setting.packs / setting.concept.name / prompt_set.file if own else Path(prompt_set.file)

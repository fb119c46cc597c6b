"""Draw prompts with several models and have the images judged; those of nudity are judged in memory and never kept."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regrow.check.choice import Asked
from regrow.check.measure import DETECTIONS
from regrow.check.setting import Setting
from regrow.errors import UserError
from regrow.images.prompts import select_rows
from regrow.images.screen.apply import check_rows_left, lists_for, screen_rows
from regrow.io.parquet import read_table
from regrow.stages import generate_images, judge_in_memory, score_images

DEFAULT = 100  # images of each model: enough to tell .06 from .20
STORE = "store"
OTHERS = 24  # images of other things, to see whether the model draws at all


@dataclass(frozen=True)
class Extent:
    """How many rows of the concept's prompts are drawn.

    Attributes
    ----------
    rows, images : int
        Rows, and those of them that pass the screen.
    dropped : dict of int
        How many do not, by the screen's list; a row may be on both.
    """

    rows: int
    images: int
    dropped: dict[str, int]


def extent(setting: Setting, asked: int | None) -> Extent:
    """Return how many rows give as many images as are asked for, or as the default.

    Raises
    ------
    UserError
        No row that passes the screen, fewer images than one, or more than there are.
    """
    own, label = setting.own, setting.concept.label
    lists = lists_for(own.prompt_set, setting.concept.kind)
    every = screen_rows(own.rows, lists)
    check_rows_left(every, own.prompt_set, f"all {len(own.rows)} rows")
    if asked is not None and not 1 <= asked <= len(every.rows):
        raise UserError(
            f"--images is {asked}, but concept '{setting.concept.name}' has 1 to {len(every.rows)} prompts"
            + (f": the screen took out {every.count} of {len(own.rows)}" if every.count else "")
        )
    images = min(DEFAULT, len(every.rows)) if asked is None else asked
    rows = own.rows.index(every.rows[images - 1]) + 1
    drawn = screen_rows(select_rows(own.prompt_set, own.rows, label, rows), lists)
    return Extent(rows, len(drawn.rows), {name: len(cases) for name, cases in drawn.dropped.items()})


@dataclass(frozen=True)
class Cell:
    """A model to draw with: the pipeline of a world.json itself, or a delta against it."""

    name: str
    role: str = "erased"
    model: Path | None = None
    record: Path | None = None


def draw_and_judge(
    setting: Setting, asked: Asked, world: Path, cells: Sequence[Cell], rows: int, folder: Path, device: str
) -> dict[str, list[dict[str, Any]]]:
    """Return judge by judge a row per image; see `draw`."""
    index = draw(setting, asked, world, cells, rows, folder, device)
    batch, found = setting.params.score_images.batch, {}
    for judge, path in asked.judges.items():
        scores = index.with_name(f"{index.stem}-{judge}.parquet")
        score_images.run(world, index, path, judge, folder / STORE, batch, device, scores)
        found[judge] = read_table(scores)[0].to_pylist()
    return found


def draw(
    setting: Setting, asked: Asked, world: Path, cells: Sequence[Cell], rows: int, folder: Path, device: str
) -> Path:
    """Return the index of images; what the folder's store holds is not drawn again.

    Parameters
    ----------
    setting : Setting
        World and concept.
    asked : Asked
        Prompts and judges.
    world : Path
        world.json of the pipeline.
    cells : sequence of Cell
        Models of that pipeline.
    rows : int
        Of the prompt set.
    folder : Path
        Where the store and indexes are kept; of nudity no image.
    device : str
        For example ``cpu`` or ``cuda``.
    """
    params = setting.params.generate_images
    index = folder / f"{world.parent.name}-{asked.prompt_set.name}.parquet"
    job = {
        "audit": "check",
        "group": setting.concept.name,
        "part": 0,
        "prompt_set": asked.prompt_set.model_dump(mode="json"),
        "first": 0,
        "last": rows,
        "cells": [_cell(setting, cell, rows) for cell in cells],
    }
    drawing: dict[str, Any] = {
        "sampler": {"steps": params.steps, "guidance": params.guidance},
        "numerics": {"dtype": params.dtype, "vae_tiling": params.vae_tiling},
        "batch": params.batch,
        "attention_slicing": params.attention_slicing,
        "cpu_offload": params.cpu_offload,
        "device": device,
    }
    if setting.measure is not DETECTIONS:
        generate_images.run(world, job, folder / STORE, **drawing, out=index)
        return index
    judges = {judge: str(path) for judge, path in asked.judges.items()}
    try:
        judge_in_memory.run(world, job, judges, folder / STORE, **drawing, out=index)
    finally:
        shutil.rmtree(folder / "pixelated", ignore_errors=True)  # a check shows no pictures
    return index


def _cell(setting: Setting, cell: Cell, rows: int) -> dict[str, Any]:
    return {
        "concept": setting.concept.name,
        "role": cell.role,
        "published": "published",
        "attack": cell.name,
        "model": None if cell.model is None else str(cell.model),
        "record": None if cell.record is None else str(cell.record),
        "prompts": None,
        "label": setting.concept.label,
        "n": rows,
    }

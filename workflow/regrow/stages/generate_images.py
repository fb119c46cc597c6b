"""Stage `generate_images`: the images of a group of models for rows of a prompt set; it draws only what is missing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regrow.images.prompts import Prompt, distinct
from regrow.images.renderer import provenance
from regrow.images.store import ImageStore
from regrow.model.deltas import Delta
from regrow.stages._drawing import Artist

log = logging.getLogger(__name__)


def run(
    world: Path,
    job: dict[str, Any],
    store: Path,
    sampler: dict[str, Any],
    numerics: dict[str, Any],
    batch: int,
    attention_slicing: bool,
    cpu_offload: bool,
    device: str,
    out: Path,
) -> None:
    """Draw what the store lacks and write the index of a job's images.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    job : dict
        See `regrow.images.job.Job`.
    store : Path
        The world's store; images go to ``images`` in it, whatever becomes of the job.
    sampler : dict
        ``steps`` and ``guidance``.
    numerics : dict
        ``dtype``; ``vae_tiling`` and ``compiled``, false where they are not given.
    batch : int
        Images at once, fewer where they do not fit; changes time and memory only.
    attention_slicing, cpu_offload : bool
        Compute attention head by head and decode image by image; keep on a GPU only what computes. Both save memory for
        time, and change an image no more than the batch does.
    device : str
        For example ``cpu`` or ``cuda``.
    out : Path
        The index, `regrow.images.index.INDEX`, in the order of the job's cells, then of the prompt set's file.

    Raises
    ------
    UserError
        Too few or broken prompts, none that passes the screen, a delta of another base or without its record, a model
        that draws NaN, or an image that does not fit into memory.
    """
    _Keeper(store, world, sampler, numerics, batch, attention_slicing, cpu_offload, device).write_index(job, out)


class _Keeper(Artist):
    """Draw what the store lacks, and keep it there."""

    def __init__(self, store: Path, *drawing: Any) -> None:
        super().__init__(*drawing)
        self._store = ImageStore(store / "images")

    def draw(self, delta: Delta | None, rows: Sequence[Prompt], name: str) -> dict[str, str]:
        """Return key and digest of every row's image, drawing those that are not in the store."""
        model = delta.digest if delta else self.world.base
        found = self._store.find(model, [self.key(model, row) for row in rows])
        missing = [row for row in distinct(rows) if self.key(model, row) not in found]
        log.info("%s: %d rows, %d images to draw", name, len(rows), len(missing))
        if missing:
            with self._store.writer(model, provenance(self.device)) as writer:

                def keep(part: list[tuple[Prompt, bytes]]) -> None:
                    found.update(writer.write([(self.key(model, row), png) for row, png in part]))

                self.draw_batches(delta, missing, keep)
        return found

"""What the stages that draw have in common: a job's models one after the other, batch by batch, and the index."""

from __future__ import annotations

import importlib.metadata
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from regrow import __version__
from regrow.arithmetic import full_float32
from regrow.errors import UserError
from regrow.images.index import write_index
from regrow.images.job import CellJob, Job, prompt_file, read_job, screened_rows
from regrow.images.loading import load_pipeline
from regrow.images.prompts import Prompt
from regrow.images.renderer import LIBRARIES, RENDERER_VERSION, Numerics, Sampler, draw, image_key
from regrow.io.files import file_digest
from regrow.model.deltas import Delta, Swapper, read_delta
from regrow.model.known_base import check_base
from regrow.model.records import read_record
from regrow.preemption import EndAfterBatch
from regrow.stages._batches import run_in_memory
from regrow.world import World, read_world

log = logging.getLogger(__name__)

MEND = "set generate_images.cpu_offload, attention_slicing or vae_tiling in the world's params, or use a larger device"


class Artist(ABC):
    """Draw images of a job; the pipeline is loaded when something has to be drawn, and once for all models.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    sampler : dict
        ``steps`` and ``guidance``.
    numerics : dict
        ``dtype``; ``vae_tiling`` and ``compiled``, false where they are not given.
    batch : int
        Images at once, fewer where they do not fit.
    attention_slicing, cpu_offload : bool
        See the stage generate_images.
    device : str
        For example ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        world: Path,
        sampler: dict[str, Any],
        numerics: dict[str, Any],
        batch: int,
        attention_slicing: bool,
        cpu_offload: bool,
        device: str,
    ) -> None:
        self.world, self.device, self.drawn = read_world(world), device, 0
        self.sampler = Sampler(self.world.scheduler, int(sampler["steps"]), float(sampler["guidance"]))
        self.numerics = Numerics(**{"vae_tiling": False, "compiled": False, **numerics})
        self._batch = batch
        self._load = partial(load_pipeline, self.world.pipeline, self.numerics, device, attention_slicing, cpu_offload)

    def key(self, model: str, row: Prompt) -> str:
        """Return the key of a row's image."""
        return image_key(model, self.world.settings, row, self.sampler, self.numerics)

    @abstractmethod
    def draw(self, delta: Delta | None, rows: Sequence[Prompt], name: str) -> dict[str, str]:
        """Return key and digest of every row's image by a model, drawing those that are not known."""

    def write_index(self, job: dict[str, Any], out: Path) -> None:
        """Draw a job's cells and write their index.

        Raises
        ------
        UserError
            Too few or broken prompts, none that passes the screen, a delta of another base or without its record, a
            model that draws NaN, or an image that does not fit into memory.
        """
        asked = read_job(job)
        rows, screened = screened_rows(asked, self.world.concepts)
        index: list[dict[str, Any]] = []
        models: dict[str, str | None] = {}
        for cell, wanted in zip(asked.cells, rows, strict=True):
            # One delta at a time: a group may hold dozens, each of hundreds of megabytes.
            delta = None if cell.model is None else _read_model(cell.model, self.world)
            model = delta.digest if delta else self.world.base
            models[model] = models.get(model) or _record_digest(cell, model)
            digests = self.draw(delta, wanted, " / ".join(cell.address.values()))
            address = {**cell.address, "prompt_set": asked.prompt_set.name, "model": model}
            for row in wanted:
                key = self.key(model, row)
                index.append({**address, **asdict(row), "key": key, "digest": digests[key]})
        said = {"screened": screened} if any(screened.values()) else {}  # rows by list: cases, no text
        write_index(out, index, {**self._metadata(asked, models, index), **said})
        log.info("%s: %d rows, %d images drawn", out, len(index), self.drawn)

    def draw_batches(
        self, delta: Delta | None, rows: Sequence[Prompt], keep: Callable[[list[tuple[Prompt, bytes]]], None]
    ) -> None:
        """Draw rows by a model and hand over every batch of PNG files as soon as it is drawn."""
        self._swapper.put(delta)
        started, done = time.monotonic(), 0
        with full_float32(), EndAfterBatch() as ending:

            def draw_rest(batch: int) -> None:
                nonlocal done
                for part in draw(self._swapper.pipeline, rows[done:], self.sampler, batch):
                    keep(part)
                    done += len(part)
                    rate = done / (time.monotonic() - started)
                    log.info("%d of %d images, %.0f s left", done, len(rows), (len(rows) - done) / rate)
                    ending.check()

            # The next model begins with what fitted this one.
            self._batch = run_in_memory(draw_rest, self._batch, "an image", MEND)
        self.drawn += done

    @cached_property
    def _swapper(self) -> Swapper:
        check_base(self.world)
        return Swapper(self._load(), self.world.base)

    def _metadata(self, job: Job, models: dict[str, str | None], index: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the settings that made the images, all of which decide what they are but `versions`."""
        world = self.world
        file = prompt_file(job, job.cells[0], world.concepts)
        return {
            "world": world.name,
            "base": world.base,
            "settings": world.settings,
            "sampler": asdict(self.sampler),
            "numerics": asdict(self.numerics),
            "renderer": RENDERER_VERSION,
            "prompt_set": {**job.prompt_set.model_dump(mode="json"), "digest": file_digest(file)},
            "audit": job.audit,
            "group": job.group,
            "part": job.part,
            "models": models,
            "learned": {cell.prompts.as_posix(): file_digest(cell.prompts) for cell in job.cells if cell.prompts},
            "truncated": _count_truncated(world, [row["prompt"] for row in index]),
            "versions": {"regrow": __version__, **{name: importlib.metadata.version(name) for name in LIBRARIES}},
        }


def _read_model(path: Path, world: World) -> Delta:
    delta = read_delta(path)
    if delta.base != world.base:
        raise UserError(
            f"{path} belongs to base {delta.base[:12]}, not to world '{world.name}' ({world.base[:12]}): make it again"
        )
    return delta


def _record_digest(cell: CellJob, model: str) -> str | None:
    """Return the digest of what was done to a model; a record of another model is a UserError."""
    if cell.record is None:
        return None
    record = read_record(cell.record)
    if record["model"] != model:
        raise UserError(
            f"{cell.record} is of model {record['model'][:12]}, but {cell.model} is {model[:12]}: make both again with "
            f"`snakemake --force {cell.model}`"
        )
    return file_digest(cell.record)


def _count_truncated(world: World, prompts: Sequence[str]) -> int:
    """Return how many rows have a prompt of which the text encoder sees the beginning only, and say so in the log."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(world.pipeline / "tokenizer", local_files_only=True)
    once = sorted(set(prompts))
    lengths = map(len, tokenizer(once, truncation=False, verbose=False).input_ids)
    long = {prompt for prompt, length in zip(once, lengths, strict=True) if length > world.tokens}
    count = sum(prompt in long for prompt in prompts)
    if long:
        log.warning(
            "%d of %d rows have a prompt of more than %d tokens, of which the rest is not drawn, e.g. %s",
            count,
            len(prompts),
            world.tokens,
            ascii(min(long)[:80]),
        )
    return count

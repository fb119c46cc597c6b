"""Stage `generate_images`: the images of a group of models for rows of a prompt set; it draws only what is missing."""

from __future__ import annotations

import importlib.metadata
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrow import __version__
from regrow.arithmetic import full_float32
from regrow.errors import UserError
from regrow.images.index import write_index
from regrow.images.job import CellJob, Job, prompt_file, read_job, screened_rows
from regrow.images.loading import load_pipeline
from regrow.images.prompts import Prompt, distinct
from regrow.images.renderer import LIBRARIES, RENDERER_VERSION, Numerics, Sampler, draw, image_key, provenance
from regrow.images.store import ImageStore
from regrow.io.files import file_digest
from regrow.model.deltas import Delta, Swapper, read_delta
from regrow.model.known_base import check_base
from regrow.model.records import read_record
from regrow.preemption import EndAfterBatch
from regrow.stages._batches import run_in_memory
from regrow.world import World, read_world

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

log = logging.getLogger(__name__)

MEND = "set generate_images.cpu_offload, attention_slicing or vae_tiling in the world's params, or use a larger device"


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
    place, asked = read_world(world), read_job(job)
    rows, screened = screened_rows(asked, place.concepts)
    load = partial(load_pipeline, place.pipeline, _numerics(numerics), device, attention_slicing, cpu_offload)
    artist = _Artist(place, store, _sampler(place, sampler), _numerics(numerics), batch, device, load)
    index: list[dict[str, Any]] = []
    models: dict[str, str | None] = {}
    for cell, wanted in zip(asked.cells, rows, strict=True):
        # One delta at a time: a group may hold dozens, each of hundreds of megabytes.
        delta = None if cell.model is None else _read_model(cell.model, place)
        digest = delta.digest if delta else place.base
        models[digest] = models.get(digest) or _record_digest(cell, digest)
        keys = {row: artist.key(digest, row) for row in wanted}
        digests = artist.draw(delta, wanted, " / ".join(cell.address.values()))
        index += [
            {
                **cell.address,
                "prompt_set": asked.prompt_set.name,
                **asdict(row),
                "key": keys[row],
                "digest": digests[keys[row]],
                "model": digest,
            }
            for row in wanted
        ]
    said = {"screened": screened} if any(screened.values()) else {}  # rows by list: cases, no text
    write_index(out, index, {**_metadata(asked, place, artist, models, index), **said})
    log.info("%s: %d rows, %d images drawn", out, len(index), artist.drawn)


class _Artist:
    """Draw what the store lacks; the pipeline is loaded when something is, and once for all models."""

    def __init__(
        self,
        world: World,
        store: Path,
        sampler: Sampler,
        numerics: Numerics,
        batch: int,
        device: str,
        load: Callable[[], StableDiffusionPipeline],
    ) -> None:
        self.world, self.sampler, self.numerics, self.drawn = world, sampler, numerics, 0
        self._batch, self._device, self._load = batch, device, load
        self._store = ImageStore(store / "images")

    def key(self, model: str, row: Prompt) -> str:
        """Return the key of a row's image."""
        return image_key(model, self.world.settings, row, self.sampler, self.numerics)

    def draw(self, delta: Delta | None, rows: Sequence[Prompt], name: str) -> dict[str, str]:
        """Return key and digest of every row's image, drawing those that are not in the store."""
        model = delta.digest if delta else self.world.base
        found = self._store.find(model, [self.key(model, row) for row in rows])
        missing = [row for row in distinct(rows) if self.key(model, row) not in found]
        log.info("%s: %d rows, %d images to draw", name, len(rows), len(missing))
        if not missing:
            return found
        self._swapper.put(delta)
        started, done = time.monotonic(), 0
        writing = self._store.writer(model, provenance(self._device))
        with writing as writer, full_float32(), EndAfterBatch() as ending:

            def draw_rest(batch: int) -> None:
                nonlocal done
                for part in draw(self._swapper.pipeline, missing[done:], self.sampler, batch):
                    found.update(writer.write([(self.key(model, row), png) for row, png in part]))
                    done += len(part)
                    rate = done / (time.monotonic() - started)
                    log.info("%d of %d images, %.0f s left", done, len(missing), (len(missing) - done) / rate)
                    ending.check()

            # The next model begins with what fitted this one.
            self._batch = run_in_memory(draw_rest, self._batch, "an image", MEND)
        self.drawn += done
        return found

    @cached_property
    def _swapper(self) -> Swapper:
        check_base(self.world)
        return Swapper(self._load(), self.world.base)


def _sampler(world: World, sampler: dict[str, Any]) -> Sampler:
    return Sampler(world.scheduler, int(sampler["steps"]), float(sampler["guidance"]))


def _numerics(numerics: dict[str, Any]) -> Numerics:
    return Numerics(**{"vae_tiling": False, "compiled": False, **numerics})


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


def _metadata(
    job: Job, world: World, artist: _Artist, models: dict[str, str | None], index: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the settings that made the images, all of which decide what they are but `versions`."""
    file = prompt_file(job, job.cells[0], world.concepts)
    return {
        "world": world.name,
        "base": world.base,
        "settings": world.settings,
        "sampler": asdict(artist.sampler),
        "numerics": asdict(artist.numerics),
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

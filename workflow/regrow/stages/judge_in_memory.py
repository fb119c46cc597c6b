"""Stage `judge_in_memory`: images that nobody keeps: drawn, judged by every judge at once, and kept only pixelated."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from regrow.errors import UserError
from regrow.images.pixelated import BLOCK, picture_key, pixelated, pixelated_store
from regrow.images.prompts import Prompt, distinct
from regrow.images.renderer import provenance
from regrow.images.shards import ShardWriter, scan
from regrow.images.store import ScoreStore, png_digest
from regrow.judge._scoring import check_per, checked, columns_of, score_key, scores_folder
from regrow.judges import Judge, JudgeProtocol, read_protocol
from regrow.model.deltas import Delta
from regrow.stages._drawing import Artist

log = logging.getLogger(__name__)

JUDGED = pa.schema([("key", pa.string()), ("digest", pa.string())])


def run(
    world: Path,
    job: dict[str, Any],
    judges: dict[str, str],
    store: Path,
    sampler: dict[str, Any],
    numerics: dict[str, Any],
    batch: int,
    attention_slicing: bool,
    cpu_offload: bool,
    device: str,
    out: Path,
) -> None:
    """Draw the images of a job, have each judged while it is in memory, and write their index as generate_images does.

    Scores go to the store at once, where score_images finds them without an image. A picture lies pixelated beside the
    store, under another key than the image's, so that no judge can read it. A judge that is added later, or whose
    protocol changes, means drawing again.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    job : dict
        See `regrow.images.job.Job`.
    judges : dict
        The folder of every judge of the prompt set, by what the world calls it.
    store : Path
        The world's store. Which images were judged goes to ``judged`` in it, pictures to ``pixelated`` beside it.
    sampler : dict
        ``steps`` and ``guidance``.
    numerics : dict
        ``dtype``; ``vae_tiling`` and ``compiled``, false where they are not given.
    batch : int
        Images at once, fewer where they do not fit; changes time and memory only.
    attention_slicing, cpu_offload : bool
        See the stage generate_images.
    device : str
        For example ``cpu`` or ``cuda``.
    out : Path
        The index, `regrow.images.index.INDEX`.

    Raises
    ------
    UserError
        As in generate_images; or a judge of sets, or one that needs labels.
    """
    protocols = {name: read_protocol(Path(folder)) for name, folder in judges.items()}
    critics = [_Critic(name, protocol, store, device) for name, protocol in protocols.items()]
    drawing = (world, sampler, numerics, batch, attention_slicing, cpu_offload, device)
    _Witness(critics, store, *drawing).write_index(job, out)


class _Critic:
    """One judge, and its part of the store; loaded when there is something to judge."""

    def __init__(self, name: str, protocol: JudgeProtocol, store: Path, device: str) -> None:
        check_per(protocol, "image", "score_sets, whose images are kept")
        if "label" in protocol.module.NEEDS:
            raise UserError(f"the judge in {protocol.folder} compares labels, which images in memory have none of")
        self.protocol, self._digest, self._device = protocol, protocol.digest(), device
        self._scores = ScoreStore(scores_folder(store, name), columns_of(protocol.module))

    def key(self, row: Prompt, digest: str) -> str:
        """Return the key of the score of an image, as score_images has it."""
        return score_key([{**asdict(row), "digest": digest}], self._digest, self.protocol.module.NEEDS)

    def has(self, model: str, images: Mapping[Prompt, str]) -> set[Prompt]:
        """Return the rows whose image, of which the digest is known, was judged."""
        keys = {row: self.key(row, digest) for row, digest in images.items()}
        found = self._scores.find(model, keys.values())
        return {row for row, key in keys.items() if key in found}

    def writer(self, model: str) -> ShardWriter:
        """Return a writer of scores of a model."""
        return self._scores.writer(model, {"protocol": self.protocol.describe(), "device": self._device})

    def judge(
        self, pictures: list[Image.Image], rows: Sequence[Prompt], digests: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return what is to be written of a batch."""
        self._judge.reset()
        self._judge.update(pictures, rows)
        said = checked(self._judge.compute(), len(pictures), self.protocol)
        keys = [self.key(row, digest) for row, digest in zip(rows, digests, strict=True)]
        return [{"key": key, **scores} for key, scores in zip(keys, said, strict=True)]

    @cached_property
    def _judge(self) -> Judge:
        loaded: Judge = self.protocol.module.Judge(self.protocol, self._device)
        return loaded


class _Witness(Artist):
    """Draws what some judge has not seen, shows it to all of them, and keeps no image."""

    def __init__(self, critics: Sequence[_Critic], store: Path, *drawing: Any) -> None:
        super().__init__(*drawing)
        self._critics, self._judged = critics, store / "judged"
        self._pictures = pixelated_store(store)

    def draw(self, delta: Delta | None, rows: Sequence[Prompt], name: str) -> dict[str, str]:
        """Return key and digest of every row's image."""
        model = delta.digest if delta else self.world.base
        once = distinct(rows)
        known = {row["key"]: row["digest"] for _, row in scan(self._judged / model, JUDGED.names)}
        seen = {row: known[key] for row in once if (key := self.key(model, row)) in known}
        judged = set(seen).intersection(*(critic.has(model, seen) for critic in self._critics))
        missing = [row for row in once if row not in judged]
        found = {self.key(model, row): digest for row, digest in seen.items() if row in judged}
        log.info("%s: %d rows, %d images to draw and judge", name, len(rows), len(missing))
        if missing:
            self._draw_and_judge(delta, model, missing, found)
        return found

    def _draw_and_judge(
        self, delta: Delta | None, model: str, missing: Sequence[Prompt], found: dict[str, str]
    ) -> None:
        with ExitStack() as stack:
            scores = [stack.enter_context(critic.writer(model)) for critic in self._critics]
            pictures = stack.enter_context(self._pictures.writer(model, {"block": BLOCK}))
            ledger = stack.enter_context(ShardWriter(self._judged / model, JUDGED, provenance(self.device)))

            def judge(part: list[tuple[Prompt, bytes]]) -> None:
                own = [row for row, _ in part]
                digests = [png_digest(png) for _, png in part]
                images = [Image.open(io.BytesIO(png)).convert("RGB") for _, png in part]
                for critic, writer in zip(self._critics, scores, strict=True):
                    writer.write(critic.judge(images, own, digests))
                keys = [self.key(model, row) for row in own]
                pictures.write([(picture_key(key), pixelated(image)) for key, image in zip(keys, images, strict=True)])
                # Last, so that what is here was judged by all.
                ledger.write([{"key": key, "digest": digest} for key, digest in zip(keys, digests, strict=True)])
                found.update(zip(keys, digests, strict=True))

            self.draw_batches(delta, missing, judge)

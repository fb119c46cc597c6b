"""Stage `score_images`: a judge looks at every image of an index that it has not seen before; one row per image."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from regrow.arithmetic import full_float32
from regrow.images.index import ADDRESS, INDEX, check_index, prompt_of, read_index
from regrow.images.prompts import same_text
from regrow.images.store import ImageStore, ScoreStore
from regrow.io.parquet import write_table
from regrow.judge._pictures import batches
from regrow.judge._scoring import (
    check_labels,
    check_per,
    checked,
    columns_of,
    score_key,
    score_metadata,
    scores_folder,
)
from regrow.judges import Judge, JudgeProtocol, read_protocol
from regrow.stages._batches import run_in_memory
from regrow.world import read_world

log = logging.getLogger(__name__)

MEND = "judge on another device"
FROM_INDEX = [name for name in INDEX.names if name != "key"]


def run(world: Path, index: Path, judge: Path, name: str, store: Path, batch: int, device: str, out: Path) -> None:
    """Judge the images of an index that were not judged before, and write the scores of all.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    index : Path
        Of generate_images.
    judge : Path
        Folder of the judge.
    name : str
        What the world calls it.
    store : Path
        The world's store: images are read from it, scores kept in it.
    batch : int
        Images at once, fewer where they do not fit; changes time and memory only.
    device : str
        For example ``cpu`` or ``cuda``.
    out : Path
        Parquet: the index without keys, and the judge's columns; with a first label (``top1``), and prompts that have
        labels, also ``correct``.

    Raises
    ------
    UserError
        A label that the judge does not know, an index that lies, or an image or judge that is damaged.
    """
    asked, protocol = read_index(index), read_protocol(judge)
    check_index(asked, read_world(world))
    check_per(protocol, "image", "score_sets")
    check_labels(protocol, asked)
    critic = _Critic(protocol, name, store, batch, device)
    keys = [score_key([row], critic.digest, protocol.module.NEEDS) for row in asked.rows]
    models: dict[str, dict[str, dict[str, Any]]] = {}
    for key, row in zip(keys, asked.rows, strict=True):
        models.setdefault(row["model"], {})[key] = row
    # Equal images of a model are judged once.
    found = {model: critic.score(model, rows) for model, rows in models.items()}
    labelled = "top1" in protocol.module.COLUMNS and asked.metadata["prompt_set"]["labels"] != "none"
    scored = []
    for key, row in zip(keys, asked.rows, strict=True):
        scores = found[row["model"]][key]
        correct = {"correct": same_text(scores["top1"]) == same_text(row["label"])} if labelled else {}
        scored.append({**{column: row[column] for column in FROM_INDEX}, **scores, **correct})
    fields = [INDEX.field(column) for column in FROM_INDEX] + list(columns_of(protocol.module))
    schema = pa.schema([*fields, ("correct", pa.bool_())] if labelled else fields)
    write_table(out, pa.Table.from_pylist(scored, schema), score_metadata(asked, name, protocol, critic.digest))
    log.info("%s: %d rows, %d images judged", out, len(scored), critic.judged)


class _Critic:
    """Judge what the store of scores lacks; the judge is loaded when something is, and once for all models."""

    def __init__(self, protocol: JudgeProtocol, name: str, store: Path, batch: int, device: str) -> None:
        self.protocol, self.digest, self.judged = protocol, protocol.digest(), 0
        self._batch, self._device = batch, device
        self._images = ImageStore(store / "images")
        self._scores = ScoreStore(scores_folder(store, name), columns_of(protocol.module))

    def score(self, model: str, rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return, by key, the scores of a model's images; `rows` has an index row for each key."""
        found = self._scores.find(model, rows)
        missing = {key: row for key, row in rows.items() if key not in found}
        if not missing:
            return found
        keys, waiting = list(missing), list(missing.values())
        log.info("%s: %d images to judge", " / ".join(waiting[0][column] for column in ADDRESS), len(waiting))
        first = 0
        protocol = {"protocol": self.protocol.describe(), "device": self._device}
        with self._scores.writer(model, protocol) as writer, full_float32():

            def judge_rest(batch: int) -> None:
                nonlocal first
                images = self._images.read(model, [(row["key"], row["digest"]) for row in waiting[first:]])
                for pictures in batches(images, batch):
                    part = slice(first, first + len(pictures))
                    self._judge.reset()
                    self._judge.update(pictures, [prompt_of(row) for row in waiting[part]])
                    said = checked(self._judge.compute(), len(pictures), self.protocol)
                    writer.write([{"key": key, **scores} for key, scores in zip(keys[part], said, strict=True)])
                    found.update(zip(keys[part], said, strict=True))
                    first += len(pictures)

            self._batch = run_in_memory(judge_rest, self._batch, f"judge '{self.protocol.folder}'", MEND)
        self.judged += first
        return found

    @cached_property
    def _judge(self) -> Judge:
        loaded: Judge = self.protocol.module.Judge(self.protocol, self._device)
        return loaded

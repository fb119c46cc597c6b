"""Stage `score_sets`: a judge of whole sets looks at all images of each cell; one row per cell."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from regrow.arithmetic import full_float32
from regrow.errors import UserError
from regrow.images.index import ADDRESS, METADATA, Index, check_index, prompt_of, read_index
from regrow.images.prompts import distinct
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

Rows = list[dict[str, Any]]
MEND = "judge on another device"
OF_A_PART = ("part", "models", "learned", "truncated")  # metadata in which the parts of a group may differ


def run(
    world: Path, indexes: list[Path], judge: Path, name: str, store: Path, batch: int, device: str, out: Path
) -> None:
    """Judge the cells of a group that were not judged before, and write one row per cell.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    indexes : list of Path
        All parts of one group and prompt set, of generate_images.
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
        Parquet: the cell's address, model, n, n_distinct (by prompt and seed), and the judge's columns. Equal rows are
        one image that the judge sees as often as it stands in the prompt set, as the papers do.

    Raises
    ------
    UserError
        Parts that do not belong together, a label that the judge does not know, or an image or judge that is damaged.
    """
    parts, protocol = [read_index(path) for path in indexes], read_protocol(judge)
    check_per(protocol, "set", "score_images")
    place = read_world(world)
    for part in parts:
        check_index(part, place)
        check_labels(protocol, part)
    whole = _join(parts)
    critic = _Critic(protocol, name, store, batch, device)
    scored = []
    for address, rows in whole.cells().items():
        cell = dict(zip(ADDRESS, address, strict=True))
        if len({row["model"] for row in rows}) > 1:
            raise UserError(f"the indexes of {' / '.join(address)} are of two models: run generate_images again")
        counts = {"model": rows[0]["model"], "n": len(rows), "n_distinct": len(distinct([*map(prompt_of, rows)]))}
        scored.append({**cell, **counts, **critic.score(rows)})
    schema = pa.schema(
        [
            *((column, pa.string()) for column in (*ADDRESS, "model")),
            ("n", pa.int64()),
            ("n_distinct", pa.int64()),
            *columns_of(protocol.module),
        ]
    )
    write_table(out, pa.Table.from_pylist(scored, schema), score_metadata(whole, name, protocol, critic.digest))
    log.info("%s: %d cells, %d judged", out, len(scored), critic.judged)


def _join(parts: Sequence[Index]) -> Index:
    """Return the parts of a group as one index, in the order of their numbers."""
    if not parts:
        raise UserError("score_sets needs the indexes of a group: give all its parts")
    parts = sorted(parts, key=lambda part: part.metadata["part"])
    first, rest = parts[0], parts[1:]
    for part in rest:
        for key in set(METADATA) - set(OF_A_PART):
            if part.metadata[key] != first.metadata[key]:
                raise UserError(f"{first.path} and {part.path} differ in {key}: run generate_images again for both")
    rows = [row for part in parts for row in part.rows]
    names = [(*(row[column] for column in ADDRESS), row["case"]) for row in rows]
    if len(set(names)) < len(names):
        raise UserError(f"{first.path} and the parts after it hold a row twice: give each part once")
    joined = {
        "part": [part.metadata["part"] for part in parts],
        "models": {key: value for part in parts for key, value in part.metadata["models"].items()},
        "learned": {key: value for part in parts for key, value in part.metadata["learned"].items()},
        "truncated": sum(part.metadata["truncated"] for part in parts),
    }
    return Index(first.path, rows, {**first.metadata, **joined})


class _Critic:
    """Judge the cells that the store of scores lacks; the judge is loaded when there is one, and once for all."""

    def __init__(self, protocol: JudgeProtocol, name: str, store: Path, batch: int, device: str) -> None:
        self.protocol, self.digest, self.judged = protocol, protocol.digest(), 0
        self._batch, self._device = batch, device
        self._images = ImageStore(store / "images")
        self._scores = ScoreStore(scores_folder(store, name), columns_of(protocol.module))

    def score(self, rows: Rows) -> dict[str, Any]:
        """Return what the judge says of a cell."""
        model, key = rows[0]["model"], score_key(rows, self.digest, self.protocol.module.NEEDS)
        if found := self._scores.find(model, [key]):
            return found[key]
        log.info("%s: %d images to judge", " / ".join(rows[0][column] for column in ADDRESS), len(rows))

        def judge_all(batch: int) -> None:
            self._judge.reset()
            first = 0
            for pictures in batches(self._images.read(model, [(row["key"], row["digest"]) for row in rows]), batch):
                self._judge.update(pictures, [prompt_of(row) for row in rows[first : first + len(pictures)]])
                first += len(pictures)

        with full_float32():
            self._batch = run_in_memory(judge_all, self._batch, f"judge '{self.protocol.folder}'", MEND)
        said = checked(self._judge.compute(), 1, self.protocol)[0]
        with self._scores.writer(model, {"protocol": self.protocol.describe(), "device": self._device}) as writer:
            writer.write([{"key": key, **said}])
        self.judged += 1
        return said

    @cached_property
    def _judge(self) -> Judge:
        loaded: Judge = self.protocol.module.Judge(self.protocol, self._device)
        return loaded

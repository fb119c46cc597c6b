"""A batch that does not fit into memory is halved; what does not fit at all is one sentence, and no key changes."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from regrow.errors import UserError
from regrow.images.store import ImageStore
from regrow.io.parquet import read_table
from regrow.stages import _drawing, score_images
from regrow.stages._batches import run_in_memory
from tests.unit.drawing import base_of, draw, write_drawn_world

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_world(tmp_path_factory.mktemp("world"))


def too_much(most: int, tried: list[int]) -> Any:
    def run(batch: int) -> None:
        tried.append(batch)
        if batch > most:
            raise torch.OutOfMemoryError(FULL)

    return run


def test_half_as_many_until_they_fit(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[int] = []
    assert run_in_memory(too_much(3, tried), 25, "an image", "buy memory") == 3
    assert tried == [25, 12, 6, 3]
    assert "out of memory: going on with 3 at once" in caplog.text


def test_not_even_one() -> None:
    with pytest.raises(UserError, match="an image does not fit into the memory of the device, even one at a time: buy"):
        run_in_memory(too_much(0, []), 4, "an image", "buy memory")


def test_another_error_is_left_as_it_is() -> None:
    def fail(_: int) -> None:
        raise RuntimeError("no kernel image is available")

    with pytest.raises(RuntimeError, match="no kernel image"):
        run_in_memory(fail, 4, "an image", "buy memory")


def test_images_are_drawn_in_batches_that_fit(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    expected = draw(world, tmp_path / "0.parquet", store=tmp_path / "one", batch=2)
    drawn, made = [], _drawing.draw

    def small(pipeline: Any, rows: Any, sampler: Any, batch: int) -> Any:
        for number, part in enumerate(made(pipeline, rows, sampler, batch)):
            # One batch of four fits, the second does not, as memory is shared with others.
            if batch > 2 and number:
                raise torch.OutOfMemoryError(FULL)
            drawn.append(len(part))
            yield part

    monkeypatch.setattr(_drawing, "draw", small)
    index = draw(world, tmp_path / "1.parquet", store=tmp_path / "two", batch=4)
    assert drawn == [4, 2], "what was drawn before the memory ran out is kept"
    assert "going on with 2 at once" in caplog.text
    assert [row["key"] for row in index.rows] == [row["key"] for row in expected.rows]
    assert index.metadata == expected.metadata
    pairs = [(row["key"], row["digest"]) for row in index.rows]
    assert len(list(ImageStore(tmp_path / "two/images").read(base_of(world).base, pairs))) == 6


def test_an_image_that_does_not_fit_is_one_sentence(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError(FULL)
        yield

    monkeypatch.setattr(_drawing, "draw", full)
    with pytest.raises(UserError, match="an image does not fit .*: set generate_images.cpu_offload, attention_slicing"):
        draw(world, tmp_path / "0.parquet", store=tmp_path / "store")
    assert not (tmp_path / "0.parquet").exists()


def test_images_are_judged_in_batches_that_fit(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regrow.judge.classifier import Judge

    draw(world, tmp_path / "index.parquet", store=tmp_path / "store")
    folder, tables, update, seen = world.parent / "judges/object", [], Judge.update, []
    for name, most in (("a", 9), ("b", 2)):

        def small(self: Judge, images: Any, rows: Any, most: int = most) -> None:
            if len(images) > most:
                raise torch.OutOfMemoryError(FULL)
            seen.append(len(images))
            update(self, images, rows)

        monkeypatch.setattr(Judge, "update", small)
        paths = world, tmp_path / "index.parquet", folder, name, tmp_path / "store"
        score_images.run(*paths, 5, "cpu", tmp_path / f"{name}.parquet")
        tables.append(read_table(tmp_path / f"{name}.parquet", ["case", "top1", "correct"])[0])
    assert seen == [5, 1, 2, 2, 2]
    assert tables[0].select(["case", "top1"]).equals(tables[1].select(["case", "top1"]))


@pytest.mark.parametrize("saver", ["attention_slicing", "cpu_offload"])
def test_memory_savers_are_no_part_of_a_key(world: Path, tmp_path: Path, saver: str) -> None:
    plain = draw(world, tmp_path / "0.parquet", store=tmp_path / "one")
    saving = draw(world, tmp_path / "1.parquet", store=tmp_path / "two", **{saver: True})
    assert [row["key"] for row in saving.rows] == [row["key"] for row in plain.rows]
    assert saving.metadata == plain.metadata

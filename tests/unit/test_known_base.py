"""A base model is hashed once for all jobs, and again when one of its files is another."""

import json
import os
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.model import known_base
from regrow.model.known_base import check_base, known_base_digest
from regrow.model.pipelines import WEIGHTS, base_digest
from tests.unit.drawing import base_of, write_drawn_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_drawn_world(tmp_path / "world")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are read."""
    folders: list[Path] = []
    monkeypatch.setattr(known_base, "base_digest", lambda folder: (folders.append(folder), base_digest(folder))[1])
    return folders


def test_one_reading_for_all_jobs(world: Path, hashed: list[Path]) -> None:
    for _ in range(3):
        check_base(base_of(world))
    assert hashed == [], "index_world has read it"
    (world.parents[1] / known_base.CACHE).unlink()
    for _ in range(3):
        check_base(base_of(world))
    assert len(hashed) == 1


def test_other_weights_are_seen_whatever_their_date(world: Path, hashed: list[Path]) -> None:
    file = base_of(world).pipeline / "unet" / WEIGHTS["unet"]
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UserError, match="are not those of world.json any more: run index_world again"):
        check_base(base_of(world))
    assert len(hashed) == 1


def test_a_damaged_memory_costs_time_only(world: Path, hashed: list[Path]) -> None:
    for content in ("", "[]", '{"x": 1}', "cut sho"):
        hashed.clear()
        known_base.CACHE.write_text(content)
        check_base(base_of(world))
        assert len(hashed) == 1, content
        assert len(json.loads(known_base.CACHE.read_text())) == 1, "a folder that is gone is forgotten"


def test_a_folder_that_cannot_be_written(world: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    known_base.CACHE.unlink()
    known_base.CACHE.parent.rmdir()
    known_base.CACHE.parent.write_text("in the way")
    assert known_base_digest(base_of(world).pipeline) == base_of(world).base
    assert len(hashed) == 1

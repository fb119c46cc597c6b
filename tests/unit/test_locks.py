"""Locks: a digest is written down once, and from then on nothing else is taken."""

import json
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.fetch.locks import Lock

ORIGIN, A, B = "ada/model@451f4fe", "a" * 64, "b" * 64


def test_first_use_is_written_down_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "config/locks/sd15.json"
    lock = Lock(path)
    assert lock.digest(ORIGIN, "x") is None and not path.exists()
    lock.add(ORIGIN, "x", A)
    lock.add("other", "x", B)
    lock.add(ORIGIN, "y", B)
    assert json.loads(path.read_text()) == {ORIGIN: {"x": A, "y": B}, "other": {"x": B}}
    before = path.stat().st_mtime_ns
    Lock(path).add(ORIGIN, "x", A)
    assert path.stat().st_mtime_ns == before  # a committed file is not touched


def test_several_downloads_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sd15.json"
    with ThreadPool(8) as pool:
        pool.map(lambda number: Lock(path).add(ORIGIN, f"file {number}", A), range(60))
    assert len(json.loads(path.read_text())[ORIGIN]) == 60


def test_another_digest_is_refused(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "sd15.json")
    lock.add(ORIGIN, "x", A)
    with pytest.raises(UserError, match=r"sd15.json says aaaaaaaaaaaa of x in ada/model@451f4fe, but this one is bbbb"):
        lock.add(ORIGIN, "x", B)
    assert lock.digest(ORIGIN, "x") == A


@pytest.mark.parametrize("content", ["[]", "{", '{"ada/model@451f4fe": 3}', '{"ada/model@451f4fe": {"x": 3}}'])
def test_a_damaged_lock_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sd15.json"
    path.write_text(content)
    with pytest.raises(UserError, match="sd15.json"):
        Lock(path).digest(ORIGIN, "x")

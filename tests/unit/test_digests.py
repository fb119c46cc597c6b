"""Digests are remembered while a file stays the same, and a file that was replaced is always seen."""

import os
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.io.digests import DigestCache
from regrow.io.files import file_digest


def test_a_file_replaced_by_an_older_one_is_seen(tmp_path: Path) -> None:
    weights, cache = tmp_path / "model.safetensors", tmp_path / "cache.json"
    weights.write_bytes(b"first!")
    digests = DigestCache(cache)
    first = digests.file(weights)
    digests.save()
    stamp = weights.stat()
    weights.write_bytes(b"second")  # the same length
    os.utime(weights, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # and the same modification time, as `cp -p` gives
    assert DigestCache(cache).file(weights) == file_digest(weights) != first


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, cache = tmp_path / "model.safetensors", tmp_path / "cache.json"
    weights.write_bytes(b"content")
    digests = DigestCache(cache)
    expected = digests.file(weights)
    digests.save()
    monkeypatch.setattr("regrow.io.digests.file_digest", lambda _: pytest.fail("read again"))
    assert DigestCache(cache).file(weights) == expected


def test_content_of_a_folder_is_names_and_bytes_and_no_junk(tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "cache.json")
    folder = tmp_path / "judge"
    folder.mkdir()
    (folder / "judge.yaml").write_text("type: x")
    before = cache.content(folder)
    (folder / ".DS_Store").write_text("junk")
    (folder / "judge.yaml").touch()
    assert cache.content(folder) == before
    (folder / "judge.yaml").rename(folder / "other.yaml")
    assert cache.content(folder) != before
    with pytest.raises(UserError, match="there is no .*absent"):
        cache.content(tmp_path / "absent")


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("[")
    (tmp_path / "a").write_bytes(b"a")
    assert DigestCache(tmp_path / "cache.json").file(tmp_path / "a") == file_digest(tmp_path / "a")

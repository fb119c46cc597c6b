"""A write either ends or leaves nothing, and a full disk is told in one sentence whichever library met it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from regrow.errors import UserError
from regrow.io.files import list_files, read_json, write_folder, write_json, write_text, write_then_rename


def plainly(_: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def like_safetensors(_: Path) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def like_torch(_: Path) -> None:
    try:
        plainly(_)
    finally:  # torch closes its archive after the failed write
        raise RuntimeError("unexpected pos 64 vs 0")


@pytest.mark.parametrize("failing", [plainly, like_safetensors, like_torch])
@pytest.mark.parametrize("writer", [write_then_rename, write_folder])
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(
    tmp_path: Path, writer: Callable[..., None], failing: Callable[[Path], None]
) -> None:
    path = tmp_path / "out"
    if writer is write_then_rename:
        write_text(path, "before")

    def write(temporary: Path) -> None:
        (temporary / "half" if temporary.is_dir() else temporary).write_text("half")
        failing(temporary)

    with pytest.raises(UserError, match="^no space left on the disk while writing .*out: free some"):
        writer(path, write)
    assert [found.name for found in tmp_path.iterdir()] == (["out"] if writer is write_then_rename else [])
    assert not path.exists() or path.read_text() == "before"


def test_another_failure_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_then_rename(tmp_path / "out", lambda _: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_listing_follows_links_and_skips_what_file_browsers_leave(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "scheduler_config.json").write_text("{}")
    folder = tmp_path / "pipeline"
    (folder / ".cache").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    for junk in (".DS_Store", ".cache/x", "__pycache__/y.pyc"):
        (folder / junk).write_text("junk")
    (folder / "scheduler").symlink_to(shared)
    (folder / "a.json").write_text("{}")
    names = [path.relative_to(folder).as_posix() for path in list_files(folder)]
    assert names == ["a.json", "scheduler/scheduler_config.json"]


def test_json_comes_back_and_what_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "told.json"
    write_json(path, {"b": [1, 2], "a": "\u2013"})
    first = path.read_bytes()
    write_json(path, {"a": "\u2013", "b": [1, 2]})
    assert path.read_bytes() == first
    assert read_json(path, "told") == {"a": "\u2013", "b": [1, 2]}
    for content in ("", "[1]", "null", "[" * 100_000, "{"):
        path.write_text(content)
        with pytest.raises(UserError, match=r"told\.json is not a"):
            read_json(path, "told")
    with pytest.raises(UserError, match="there is no .*absent.json, the told"):
        read_json(tmp_path / "absent.json", "told")

"""A write either ends or leaves nothing, and a full disk is told in one sentence whichever library met it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from regrow.errors import UserError
from regrow.files import write_folder, write_text, write_then_rename


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

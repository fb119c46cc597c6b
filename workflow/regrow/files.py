"""Write files so that a killed or failed run leaves nothing that looks finished."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from regrow.errors import UserError

FULL = os.strerror(errno.ENOSPC).lower()  # libraries put it into errors of their own


def write_then_rename(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary name beside `path`, then rename it to `path`.

    Raises
    ------
    UserError
        When the disk is full; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except Exception as error:
        _explain(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _explain(error: Exception, path: Path) -> None:
    """Raise a UserError for an error of any library that comes from a full disk.

    torch.save closes its archive after the failed write and raises what that gives; the failed write is its context.
    """
    cause: BaseException | None = error
    while cause is not None:
        if FULL in str(cause).lower() or isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            raise UserError(
                f"no space left on the disk while writing {path}: free some and run the same command again"
            ) from error
        cause = cause.__cause__ or cause.__context__


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    write_then_rename(path, lambda temporary: temporary.write_text(text))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """Call `fill` with an empty temporary folder beside `path`, then put it in place of `path`.

    Raises
    ------
    UserError
        When the disk is full; the temporary folder is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        fill(temporary)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except Exception as error:
        _explain(error, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

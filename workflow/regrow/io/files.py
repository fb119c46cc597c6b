"""Write files so that a killed or failed run leaves nothing that looks finished; list and hash files in one way."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regrow.errors import UserError

DISK_FULL = os.strerror(errno.ENOSPC).lower()  # libraries put it into errors of their own


def write_then_rename(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary name beside `path`, then rename it to `path`.

    Raises
    ------
    UserError
        When the disk is full; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        write(temporary)
        os.replace(temporary, path)
    except Exception as error:
        raise_if_disk_full(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """Call `fill` with an empty temporary folder beside `path`, then put it in place of `path`.

    Raises
    ------
    UserError
        When the disk is full; the temporary folder is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        temporary.mkdir()
        fill(temporary)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except Exception as error:
        raise_if_disk_full(error, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file in one step."""
    write_then_rename(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one step; the same value gives the same bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path, kind: str) -> dict[str, Any]:
    """Read a JSON file that must hold an object; `kind` names it in an error, e.g. ``world.json of index_world``.

    Raises
    ------
    UserError
        No such file, or no JSON object in it.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}, the {kind}: make it first or correct the path") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable {kind} ({error}): make it again") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a {kind}: it holds no JSON object: make it again")
    return value


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_files(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted, also behind links to folders; hidden ones are no part of it.

    What file browsers and downloads leave behind (``.DS_Store``, ``.cache``) begins with a dot, and ``__pycache__`` is
    Python's.
    """
    found = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        found += [Path(root, name) for name in files if not name.startswith(".")]
    return sorted(found)


def raise_if_disk_full(error: Exception, path: Path) -> None:
    """Raise a UserError for an error of any library that comes from a full disk.

    torch.save closes its archive after the failed write and raises what that gives; the failed write is its context.
    """
    cause: BaseException | None = error
    while cause is not None:
        if DISK_FULL in str(cause).lower() or isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            raise UserError(
                f"no space left on the disk while writing {path}: free some and run the same command again"
            ) from error
        cause = cause.__cause__ or cause.__context__


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")

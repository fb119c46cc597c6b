"""Content digests of files and folders that are hashed once and remembered while the files stay the same."""

import hashlib
import json
import os
from pathlib import Path

from regrow.errors import UserError
from regrow.io.files import file_digest, list_files, write_json


class DigestCache:
    """Digests by path, remembered in a JSON file.

    A file is hashed again when its size, inode, modification time or change time differ. The change time cannot be set
    back, so a file that is replaced by one with an older date (``cp -p``, ``rsync -a``, ``tar x``) is seen.

    Parameters
    ----------
    path : Path
        The JSON file; absent or damaged, it is made anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[object]] = known if isinstance(known, dict) else {}

    def file(self, path: Path) -> str:
        """Return the SHA-256 of a file."""
        try:
            stat = path.stat()
        except FileNotFoundError as error:
            raise UserError(f"there is no {path}: restore it or correct the path") from error
        key = os.path.abspath(path)
        stamp = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        if (known := self._known.get(key)) and known[:-1] == stamp:
            return str(known[-1])
        found = file_digest(path)
        self._known[key] = [*stamp, found]
        self._changed = True
        return found

    def content(self, *paths: Path) -> str:
        """Return one SHA-256 for files and folders: relative names and contents, in the order of the names."""
        total = hashlib.sha256()
        for path in paths:
            files = list_files(path) if path.is_dir() else [path]
            for file in files:
                name = file.relative_to(path).as_posix() if path.is_dir() else file.name
                total.update(f"{name} {self.file(file)}\n".encode())
        return total.hexdigest()

    def save(self) -> None:
        """Remember what was hashed; a folder that cannot be written only costs time at the next run."""
        if self._changed:
            try:
                write_json(self._path, self._known)
            except OSError:
                return
            self._changed = False

"""Digests that nobody knew beforehand: written down at first use, and from then on any other content is refused."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.io.files import read_json, write_json

KIND = "lock of fetched files"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes of this machine that do the same from a file while the block runs; it need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


class Lock:
    """The lock of one world, ``config/locks/{world}.json``; commit it, and everybody audits the same files.

    Parameters
    ----------
    path : Path
        Absent, it is made by the first file that is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def digest(self, origin: str, file: str) -> str | None:
        """Return the SHA-256 of a file of an origin, None when none was written down."""
        found = self._read().get(origin, {})
        if not isinstance(found, dict) or not isinstance(found.get(file), str | None):
            raise UserError(f"{self.path} does not map the files of '{origin}' to digests: restore it")
        return found.get(file)

    def add(self, origin: str, file: str, digest: str) -> None:
        """Write down the digest of a file at its first use.

        Raises
        ------
        UserError
            Another one is there already.
        """
        with alone(self.path):  # several files are fetched at once
            known = self.digest(origin, file)
            if known is not None and known != digest:
                raise UserError(
                    f"{self.path} says {known[:12]} of {file} in {origin}, but this one is {digest[:12]}: one of the "
                    "two is not what was published; find out which before you take the entry out"
                )
            if known is None:
                content = self._read()
                write_json(self.path, {**content, origin: {**content.get(origin, {}), file: digest}})

    def _read(self) -> dict[str, Any]:
        return read_json(self.path, KIND) if self.path.exists() else {}

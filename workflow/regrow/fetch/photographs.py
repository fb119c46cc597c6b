"""Photographs by their numbers, in an archive or in a folder that somebody unpacked."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from regrow.errors import UserError
from regrow.fetch.hub import FOLDER


class Photographs:
    """Photographs that lie under a name each.

    Parameters
    ----------
    place : Path
        A ZIP archive, or the folder that holds what the archive has at its top.
    member : str
        The path of one by its number, such as ``val2014/COCO_val2014_{id:012d}.jpg``.
    """

    def __init__(self, place: Path, member: str) -> None:
        self.place, self._member = place, member

    def check(self, numbers: Iterable[int]) -> None:
        """Make sure that all photographs are there.

        Raises
        ------
        UserError
            One that is not, or an archive that is none.
        """
        wanted = [self._member.format(id=number) for number in numbers]
        if missing := [name for name in wanted if not self._has(name)]:
            raise UserError(
                f"{self.place} has no {missing[0]}, and lacks {len(missing)} of {len(wanted)} photographs: distances "
                "from fewer than all of them would be others, so get the whole again"
            )

    def read(self, number: int) -> tuple[bytes, Image.Image]:
        """Return the file of a photograph, and it as RGB.

        Raises
        ------
        UserError
            A photograph that is not there or is none.
        """
        name = self._member.format(id=number)
        try:
            content = self._archive.read(name) if self._archive else (self.place / name).read_bytes()
            return content, Image.open(io.BytesIO(content)).convert("RGB")
        except KeyError as error:
            raise UserError(f"{self.place} has no {name}: get the whole again") from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{name} in {self.place} cannot be decoded ({error}): get it again") from error

    def _has(self, name: str) -> bool:
        return name in self._names if self._archive else (self.place / name).is_file()

    @cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        if self.place.is_dir():
            return None
        try:
            return zipfile.ZipFile(self.place)
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{self.place} is no ZIP archive ({error}): delete it and run the same again") from error

    @cached_property
    def _names(self) -> set[str]:
        return set(self._archive.namelist()) if self._archive else set()


def unpacked(member: str) -> Path | None:
    """Return the folder that the user names where photographs lie in it unpacked, or None.

    It is one that holds ``val2014``, or is ``val2014`` itself, for a member such as ``val2014/COCO_{id}.jpg``.
    """
    if not (named := os.environ.get(FOLDER)):
        return None
    folder, top = Path(named).expanduser(), PurePosixPath(member).parts[0]
    for place in (folder, folder.parent if folder.name == top else None):
        if place and (place / top).is_dir():
            return place
    return None

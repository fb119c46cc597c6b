"""Stage `fetch_reference`: the photographs that sets of images are compared with, all that a list of numbers names."""

import logging
import os
from pathlib import Path
from typing import Any

from regrow.config.errors import validate
from regrow.config.origins import PhotographOrigin
from regrow.errors import UserError
from regrow.fetch.hub import download, local_copy, web_file
from regrow.fetch.locks import alone
from regrow.fetch.photographs import Photographs, unpacked
from regrow.images.prompts import PromptSet, read_prompts
from regrow.images.screen.apply import lists_for, screen_rows
from regrow.io.files import write_json

log = logging.getLogger(__name__)

MIRROR = "REGROW_REFERENCE_MIRROR"  # another address of the archive's folder
KIND = "list of photographs of fetch_reference"


def run(reference: dict[str, Any], name: str, prompts: dict[str, Any], out: Path) -> None:
    """Fetch an archive of photographs beside the folder of `out`; make sure that every one that is asked for is in it.

    An interrupted download is gone on from. REGROW_FETCH_FROM names a folder that has the archive, or the photographs
    unpacked: neither is copied. REGROW_REFERENCE_MIRROR is another address of the folder that has the archive.

    Parameters
    ----------
    reference : dict
        See `regrow.config.origins.PhotographOrigin`.
    name : str
        What the world calls it, for errors.
    prompts : dict
        The prompt set whose cases are the photographs' numbers; see `regrow.images.prompts.PromptSet`.
    out : Path
        JSON: where the photographs lie, and their numbers in the order of the prompt set.

    Raises
    ------
    UserError
        A failed download, or a photograph that is not there.
    """
    origin = validate(PhotographOrigin, reference, f"the world's references.{name}")
    prompt_set = PromptSet.model_validate(prompts)
    rows = read_prompts(Path(prompt_set.file), prompt_set)
    # Of a sensitive set only what passes the screen is drawn, so the rest is not compared with either.
    numbers = [row.case for row in screen_rows(rows, lists_for(prompt_set)).rows]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"{prompt_set.file} has a number twice, so its rows name no photographs: correct it")
    place = _place(origin, out.parent)
    Photographs(place, origin.member).check(numbers)
    write_json(out, {"place": place.as_posix(), "member": origin.member, "numbers": numbers})
    log.info("%s: %d photographs in %s", name, len(numbers), place)


def _place(origin: PhotographOrigin, folder: Path) -> Path:
    """Return where the photographs lie: unpacked, or in an archive that is fetched if it is nowhere yet."""
    archive = folder.parent / origin.file  # of all references that have photographs in it
    if archive.is_file():
        return archive
    if (found := unpacked(origin.member)) is not None:
        return found
    remote = web_file(os.environ.get(MIRROR) or origin.url, origin.file)
    if (copy := local_copy(remote)) is not None:
        return copy
    log.info("%s has %.1f GB and is fetched once; only some of its photographs are read", origin.file, origin.gigabytes)
    with alone(archive):
        if not archive.is_file():
            download(remote, archive)
    return archive

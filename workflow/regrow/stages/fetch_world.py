"""Stage `fetch_world`: the base model or a published judge of a world, by commit and digest."""

import logging
from pathlib import Path
from typing import Any

from regrow.config.errors import validate
from regrow.config.origins import Origin
from regrow.errors import UserError
from regrow.fetch.locks import Lock
from regrow.fetch.parts import Part
from regrow.io.files import write_json

log = logging.getLogger(__name__)


def run(world: dict[str, Any], name: str, lock: Path, out: Path) -> None:
    """Fetch parts of a world into folders beside `out`; whatever is there and right is not asked for again.

    A token is read from HF_TOKEN and told to the hub alone. HF_ENDPOINT names a mirror of the hub, REGROW_FETCH_FROM a
    folder that holds the files.

    Parameters
    ----------
    world : dict
        Of the section `fetch` of the world file: folder by folder an origin; see `regrow.config.origins.Origin`.
    name : str
        Name of the world, for errors and the record.
    lock : Path
        config/locks/{world}.json, where digests go that nobody knew beforehand.
    out : Path
        JSON, written last: each file with its digest, and who knew it.

    Raises
    ------
    UserError
        A wrong origin, a failed download, or a file that is not what it should be.
    """
    if not world:
        raise UserError(f"world '{name}' has no section `fetch`, so there is nothing to fetch")
    origins = {part: validate(Origin, origin, f"world '{name}', fetch.{part}") for part, origin in world.items()}
    parts = {part: Part(out.parent / part, origin, Lock(lock)).fetch() for part, origin in origins.items()}
    size = sum(file["bytes"] for part in parts.values() for file in part["files"].values())
    log.info("%s: %d folders, %.2f GB, all checked", name, len(parts), size / 1e9)
    write_json(out, {"world": name, "lock": lock.name, "parts": parts})

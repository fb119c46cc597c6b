"""The digest of a base model without reading its gigabytes for every job: while its files are the same, it is known."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from regrow.errors import UserError
from regrow.io.files import list_files, write_json
from regrow.model.names import COMPONENTS
from regrow.model.pipelines import base_digest
from regrow.world import World

# By folder, with the stamps of its files; in Snakemake's own folder, which no result depends on.
CACHE = Path(".snakemake/regrow/bases.json")


def known_base_digest(folder: Path) -> str:
    """Return `base_digest`, from memory while size, inode, modification and change time of all files are the same."""
    key, stamps, known = os.path.abspath(folder), _stamps(folder), _read()
    if isinstance(entry := known.get(key), dict) and entry.get("files") == stamps:
        return str(entry["base"])
    digest = base_digest(folder)
    # Two jobs that write at once lose one entry, which costs time and nothing else.
    kept = {path: entry for path, entry in known.items() if Path(path).is_dir()}
    with suppress(OSError, UserError):  # a folder that cannot be written costs time at the next job
        write_json(CACHE, {**kept, key: {"files": stamps, "base": digest}})
    return digest


def check_base(world: World) -> None:
    """Raise a UserError when the weights of a world are not those that index_world saw."""
    if known_base_digest(world.pipeline) != world.base:
        raise UserError(f"the weights in {world.pipeline} are not those of world.json any more: run index_world again")


def _stamps(folder: Path) -> dict[str, list[int]]:
    files = [path for component in COMPONENTS for path in list_files(folder / component)]
    # The change time cannot be set back, so an older file that takes another's place is seen.
    return {
        path.relative_to(folder).as_posix(): [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        for path in files
        for stat in [path.stat()]
    }


def _read() -> dict[str, object]:
    try:
        known = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}

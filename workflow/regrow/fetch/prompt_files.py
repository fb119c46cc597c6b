"""Fetch the files of a prompt set, check them one by one, and put the set in place when all of them are right."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from regrow.config.origins import PromptFile, PromptOrigin, PromptReading
from regrow.errors import UserError
from regrow.fetch.hub import FOLDER, TOKEN, Remote, download, github_file, hub_file, local_copy, newest_commit
from regrow.fetch.locks import Lock
from regrow.images.prompts import Prompt, PromptSet, read_prompts
from regrow.io.files import file_digest, write_text, write_then_rename

log = logging.getLogger(__name__)


def fetch_prompt_set(origin: PromptOrigin, out: Path, lock: Lock) -> None:
    """Make `out`; files that are there and right are not asked for again.

    Raises
    ------
    UserError
        A failed download, or a file that is not the known one or cannot be read as the origin says.
    """
    sources = [_place(origin, part, path, lock) for part, path in _sources(origin, out).items()]
    if not origin.is_used_as_it_is:
        text = _as_csv(_joined(origin, sources), labelled=bool(origin.labels))
        if not out.is_file() or out.read_text(encoding="utf-8") != text:
            write_text(out, text)
    log.info("%s: %d rows of %s (%s)", out, origin.rows, origin.repo, origin.licence)


def is_right(origin: PromptOrigin, out: Path, lock: Lock) -> bool:
    """Return whether a prompt set is there, made of the known files."""
    sources = _sources(origin, out)
    if not out.is_file() or not all(_is_known(origin, part, path, lock) for part, path in sources.items()):
        return False
    if origin.is_used_as_it_is:
        return True
    return out.read_text(encoding="utf-8") == _as_csv(_joined(origin, list(sources.values())), bool(origin.labels))


def why_missing(origin: PromptOrigin, out: Path) -> str | None:
    """Return why a gated prompt set cannot be had by this user, None for one that can or is there already."""
    if origin.gate is None or out.is_file() or (os.environ.get(TOKEN) or "").strip():
        return None
    if all(local_copy(_remote(origin, part, "main")) for part in origin.parts):
        return None
    files = ", ".join(Path(part.path).name for part in origin.parts)
    return f"{origin.gate}, then set {TOKEN}, or put {files} into the folder that {FOLDER} names"


def _sources(origin: PromptOrigin, out: Path) -> Mapping[PromptFile, Path]:
    """Return where each file of an origin lies here."""
    if origin.is_used_as_it_is:
        return {origin.parts[0]: out}
    folder = out.parent / ".sources" / out.stem
    return {part: folder / f"{i}-{Path(part.path).name}" for i, part in enumerate(origin.parts)}


def _is_known(origin: PromptOrigin, part: PromptFile, path: Path, lock: Lock) -> bool:
    known = part.sha256 or lock.digest(origin.key, part.path)
    return known is not None and path.is_file() and file_digest(path) == known


def _place(origin: PromptOrigin, part: PromptFile, path: Path, lock: Lock) -> Path:
    if _is_known(origin, part, path, lock):
        return path

    def write(temporary: Path) -> None:
        incoming = path.with_name(f".{path.name}.new")
        remote = _remote(origin, part, origin.revision or "main")
        if (copy := local_copy(remote)) is not None:
            log.info("%s is taken from %s", remote, copy)
            incoming.write_bytes(copy.read_bytes())
        else:
            commit = origin.revision or newest_commit(origin.repo, part.path)
            download(_remote(origin, part, commit), incoming)
        os.replace(incoming, temporary)
        digest = file_digest(temporary)
        if part.sha256 and digest != part.sha256:
            raise UserError(
                f"{part.path} of {origin.repo} is {digest[:12]}, where the world file pins {part.sha256[:12]}: it is "
                "damaged or another file; run the same command again, or take the copy away"
            )
        if not part.sha256:
            lock.add(origin.key, part.path, digest)

    write_then_rename(path, write)
    return path


def _remote(origin: PromptOrigin, part: PromptFile, revision: str) -> Remote:
    if origin.host == "hub":
        return hub_file(origin.repo, revision, part.path, data_set=True)
    return github_file(origin.repo, revision, part.path)


def _joined(origin: PromptOrigin, sources: list[Path]) -> list[Prompt]:
    """Return the rows of all files, numbered anew where they are several."""
    reading = origin.read or PromptReading.model_validate({})
    rows = [
        row if part.label is None else replace(row, label=part.label)
        for part, path in zip(origin.parts, sources, strict=True)
        for row in _rows(path, reading, labelled=bool(origin.labels) and part.label is None)
    ]
    return [replace(row, case=i) for i, row in enumerate(rows)] if len(sources) > 1 else rows


def _rows(path: Path, reading: PromptReading, labelled: bool) -> list[Prompt]:
    if reading.format == "lines":
        return _lines(path, reading)
    read = {"columns": reading.columns, "seed": reading.seed, "labels": "others" if labelled else "none"}
    settings = {"name": path.stem, "scope": "model", "file": path.as_posix(), "sensitive": True, **read}
    return read_prompts(path, PromptSet.model_validate(settings), skip_blank=reading.blank == "drop")


def _lines(path: Path, reading: PromptReading) -> list[Prompt]:
    if reading.seed == "column":
        raise UserError(f"{path} has a prompt on each line and no seeds: give one under `read.seed` of the world file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8 ({error}): save it as one") from error
    # Only at line ends: what an attack learned may hold every other sign that Python splits lines at.
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    return [Prompt(case, line, reading.seed, "") for case, line in enumerate(filter(None, lines))]


def _as_csv(rows: list[Prompt], labelled: bool) -> str:
    columns = ["case", "prompt", "seed", *(["label"] if labelled else [])]
    named = {"target": "target_prompt"} if any(row.target for row in rows) else {}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *named.values()])
    writer.writerows([getattr(row, name) for name in (*columns, *named)] for row in rows)
    return text.getvalue()

"""Stage `fetch_prompts`: prompt sets that nobody may ship, by repository, commit and SHA-256; or a table of them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from regrow.config.errors import validate
from regrow.config.files import WorldFile
from regrow.config.origins import PromptOrigin
from regrow.config.reader import read_yaml
from regrow.errors import UserError, nearest
from regrow.fetch.locks import Lock
from regrow.fetch.prompt_files import fetch_prompt_set, is_right, why_missing
from regrow.images.prompts import Prompt, PromptSet, distinct, read_prompts
from regrow.places import ROOT
from regrow.plan import paths

log = logging.getLogger(__name__)

WORLDS, LOCKS = ROOT / "config/worlds", Path("config/locks")


def run(
    origins: dict[str, Any] | None,
    names: list[str],
    folder: Path | None,
    sets: dict[str, Any] | None = None,
    check: bool | None = None,
    lock: Path | None = None,
    world: str | None = None,
) -> None:
    """Fetch prompt sets into a folder, or say what is there.

    Parameters
    ----------
    origins : dict or None
        The section `fetch_prompts` of the world file: name by name an origin; see
        `regrow.config.origins.PromptOrigin`. Without it, that of `world`.
    names : list of str
        Which of them; none stands for all that are given to this user.
    folder : Path or None
        Where NAME.csv is put.
    sets : dict
        Prompt sets of the world that read the files, by name; see `regrow.images.prompts.PromptSet`. Each file is read
        as they read it and its rows counted, so that a wrong column or count is told before any model is made.
    check : bool
        Print a table of what is there, and fetch nothing.
    lock : Path
        config/locks/{world}.json, where digests go that nobody knew beforehand.
    world : str
        A file of config/worlds, in place of origins, folder and lock; to check, all worlds where none is named.

    Raises
    ------
    UserError
        An unknown name, a failed download, or a file that is not the pinned one or has other columns or counts.
    """
    if origins is None:
        for name in _worlds(world, bool(check)):
            file = WorldFile.model_validate(read_yaml(WORLDS / f"{name}.yaml"))
            stated = {part: origin.model_dump() for part, origin in file.fetch_prompts.items()}
            own = paths.fetched_prompts(name, "x").parent
            run(stated, names, folder or own, check=check, lock=lock or LOCKS / f"{name}.json", world=name)
        return
    for name in names:
        if name not in origins:
            raise UserError(f"the world has no prompts '{name}' to fetch: {nearest(name, origins)}")
    chosen = {
        name: validate(PromptOrigin, origin, f"the world's fetch_prompts.{name}")
        for name, origin in origins.items()
        if not names or name in names
    }
    if folder is None:
        raise UserError("fetch_prompts is told origins and no folder to put the files into: give --folder")
    known = Lock(lock or folder / "lock.json")
    if check:
        Console().print(table(chosen, folder, known, f"of world {world}" if world else f"in {folder}"))
        return
    for name, origin in chosen.items():
        path = folder / f"{name}.csv"
        if reason := why_missing(origin, path):
            if name in names:
                raise UserError(f"the prompts '{name}' are not given to everybody: {reason}")
            log.warning("left out: the prompts '%s' are not given to everybody: %s", name, reason)
            continue
        fetch_prompt_set(origin, path, known)
        for settings in (sets or {}).values():
            check_rows(origin, path, PromptSet.model_validate(settings))


def _worlds(world: str | None, check: bool) -> list[str]:
    """Return the worlds that are meant and fetch prompts."""
    known = sorted(path.stem for path in WORLDS.glob("*.yaml"))
    if world is None and not check:
        raise UserError("fetch_prompts needs a world whose prompts to fetch: give --world, or --check to see them all")
    if world is not None and world not in known:
        raise UserError(f"unknown world '{world}': {nearest(world, known)}")
    chosen = [name for name in known if world in (None, name)]
    return [name for name in chosen if read_yaml(WORLDS / f"{name}.yaml").get("fetch_prompts")]


def check_rows(origin: PromptOrigin, path: Path, prompt_set: PromptSet) -> None:
    """Compare the rows of a file, as a prompt set reads them, with what the world file says of them.

    Raises
    ------
    UserError
        Other columns, other counts, or labels in another order.
    """
    rows = read_prompts(path, prompt_set)
    found: dict[str, Any] = {"rows": len(rows)}
    if origin.distinct is not None:
        found["distinct"] = len(distinct(rows))
    if prompt_set.labels != "none" and origin.labels:
        counts = _label_counts(rows)
        found |= {f"labels.{label}": counts.get(label, (0, 0)) for label in (*origin.labels, *counts)}
        if list(counts) != list(origin.labels) and set(counts) == set(origin.labels):
            order = ", ".join(counts)
            raise UserError(f"{path} first names its labels in the order {order}: write them so in the world file")
    stated: dict[str, Any] = {"rows": origin.rows, "distinct": origin.distinct}
    stated |= {f"labels.{label}": count for label, count in origin.labels.items()}
    for key, value in found.items():
        if value != stated.get(key):
            raise UserError(
                f"{path}: {key} is {value} there and {stated.get(key)} in the world file, by which images are planned: "
                "correct the world file, or name another column in the prompt set"
            )


def _label_counts(rows: Sequence[Prompt]) -> dict[str, tuple[int, int]]:
    """Return how many rows and distinct rows each label has, in the order of the file."""
    labels = dict.fromkeys(row.label for row in rows)
    chosen = {label: [row for row in rows if row.label == label] for label in labels}
    return {label: (len(found), len(distinct(found))) for label, found in chosen.items()}


def table(origins: Mapping[str, PromptOrigin], folder: Path, lock: Lock, where: str) -> Table:
    """Return a line per prompt set: whether it is there, its rows and licence, and how it is to be had."""
    found = Table(title=f"Prompt sets {where}")
    for column in ("set", "have", "rows", "licence", "how to get it"):
        found.add_column(column, overflow="fold")
    for name, origin in origins.items():
        path = folder / f"{name}.csv"
        rows = f"{origin.rows}" if origin.distinct is None else f"{origin.rows}, {origin.distinct} distinct"
        found.add_row(name, _have(origin, path, lock), rows, origin.licence, _how(origin, path))
    return found


def _have(origin: PromptOrigin, path: Path, lock: Lock) -> str:
    if not path.is_file():
        return "no"
    if not is_right(origin, path, lock):
        return "another file"
    # Of one that is used as it is, columns are the prompt set's affair, which counts again before it is used.
    rows = read_prompts(path, None if origin.labels else _UNLABELLED)
    counts = (len(rows), origin.distinct and len(distinct(rows)))
    return "yes" if counts == (origin.rows, origin.distinct) else f"with other counts, {counts[0]} and {counts[1]}"


def _how(origin: PromptOrigin, path: Path) -> str:
    where = f"{origin.repo}@{(origin.revision or 'newest')[:7]}, {origin.place}"
    if reason := why_missing(origin, path):
        return f"{reason}; {where}"
    return f"a run fetches it, or `regrow fetch_prompts`; {where}"


_UNLABELLED = PromptSet(name="unlabelled", scope="model", file="-", labels="none", sensitive=True)

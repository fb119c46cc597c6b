"""Stage `fetch_prompts`: a file of prompts that nobody may ship, by repository, commit and SHA-256."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from regrow.config.errors import validate
from regrow.config.origins import PromptOrigin
from regrow.errors import UserError, nearest
from regrow.fetch.hub import Remote, download, github_file, hub_file, local_copy
from regrow.images.prompts import Prompt, PromptSet, distinct, read_prompts
from regrow.io.files import file_digest, write_then_rename

log = logging.getLogger(__name__)


def run(
    origins: dict[str, Any],
    names: list[str],
    folder: Path,
    sets: dict[str, Any] | None = None,
    check: bool | None = None,
) -> None:
    """Fetch files of prompts into a folder, or say what is there.

    Parameters
    ----------
    origins : dict
        The section `fetch_prompts` of the world file: name by name an origin; see
        `regrow.config.origins.PromptOrigin`.
    names : list of str
        Which of them; none stands for all.
    folder : Path
        Where NAME.csv is put.
    sets : dict
        Prompt sets of the world that read the files, by name; see `regrow.images.prompts.PromptSet`. Each file is read
        as they read it and its rows counted, so that a wrong column or count is told before any model is made.
    check : bool
        Print a table of what is there, and fetch nothing.

    Raises
    ------
    UserError
        An unknown name, a failed download, or a file that is not the pinned one or has other columns or counts.
    """
    for name in names:
        if name not in origins:
            raise UserError(f"the world has no prompts '{name}' to fetch: {nearest(name, origins)}")
    chosen = {
        name: validate(PromptOrigin, origin, f"the world's fetch_prompts.{name}")
        for name, origin in origins.items()
        if not names or name in names
    }
    if check:
        Console().print(table(chosen, folder))
        return
    for name, origin in chosen.items():
        fetch(origin, folder / f"{name}.csv")
        for settings in (sets or {}).values():
            check_rows(origin, folder / f"{name}.csv", PromptSet.model_validate(settings))


def fetch(origin: PromptOrigin, out: Path) -> None:
    """Fetch one file of prompts; one that is there and right is not asked for again."""
    if out.is_file() and file_digest(out) == origin.sha256:
        return
    remote = _remote(origin)

    def write(temporary: Path) -> None:
        incoming = out.with_name(f".{out.name}.new")
        if (copy := local_copy(remote)) is not None:
            log.info("%s is taken from %s", remote, copy)
            incoming.write_bytes(copy.read_bytes())
        else:
            download(remote, incoming)
        os.replace(incoming, temporary)
        if (digest := file_digest(temporary)) != origin.sha256:
            raise UserError(
                f"{origin.path} of {origin.repo} is {digest[:12]}, where the world file pins {origin.sha256[:12]}: it "
                "is damaged or another file; run the same command again, or take the copy away"
            )

    write_then_rename(out, write)
    log.info("%s: %d rows of %s (%s)", out, origin.rows, origin.repo, origin.licence)


def check_rows(origin: PromptOrigin, path: Path, prompt_set: PromptSet) -> None:
    """Compare the rows of a file, as a prompt set reads them, with what the world file says of them.

    Raises
    ------
    UserError
        Other columns, other counts, or labels in another order.
    """
    rows = read_prompts(path, prompt_set)
    found: dict[str, Any] = {"rows": len(rows), "distinct": len(distinct(rows))}
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


def table(origins: Mapping[str, PromptOrigin], folder: Path) -> Table:
    """Return what is in the folder: rows, distinct rows and digest of each file beside what they should be."""
    found = Table(title=f"Prompts in {folder}")
    for column in ("prompts", "origin", "licence", "rows", "distinct", "state"):
        found.add_column(column, overflow="fold")
    for name, origin in origins.items():
        path = folder / f"{name}.csv"
        where = f"{origin.repo}@{origin.revision[:7]}"
        found.add_row(name, where, origin.licence, *_counted(origin, path))
    return found


def _counted(origin: PromptOrigin, path: Path) -> tuple[str, str, str]:
    if not path.is_file():
        return str(origin.rows), str(origin.distinct), "not fetched"
    if file_digest(path) != origin.sha256:
        return "?", "?", "another file"
    rows = read_prompts(path)
    counts = len(rows), len(distinct(rows))
    right = counts == (origin.rows, origin.distinct)
    return str(counts[0]), str(counts[1]), "right" if right else "other counts than the world file says"


def _remote(origin: PromptOrigin) -> Remote:
    if origin.host == "hub":
        return hub_file(origin.repo, origin.revision, origin.path, data_set=True)
    return github_file(origin.repo, origin.revision, origin.path)

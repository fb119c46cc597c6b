"""What judges of sets compare with: which reference of the world it is, and which files a judge reads besides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regrow.errors import UserError, nearest
from regrow.io.files import list_files
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.plan.digests import digest_of, origin_digest
from regrow.plan.judges import classifier_beside, judge_folder, reference_of


def reference_name(audit: Audit, judge: str) -> str | None:
    """Return the reference of the world that a judge compares with, None for a judge or a file of its own.

    Raises
    ------
    UserError
        A file that nothing makes and that is not there.
    """
    file = reference_of(audit.world, judge)
    if file is None:
        return None
    made = {paths.measured_reference(audit.source, judge, name): name for name in audit.world.references}
    if file not in made and not file.is_file():
        raise UserError(
            f"judge '{judge}' of world '{audit.world_name}' compares with {file}, which is not there and which nothing "
            f"makes: {nearest(str(file), map(str, made))}"
        )
    return made.get(file)


def judge_digest(audit: Audit, judge: str, digest: Callable[[Path], str]) -> str:
    """Return a digest of a judge's folder, or of where it is fetched from, and of whatever else it reads.

    Parameters
    ----------
    audit : Audit
        The plan.
    judge : str
        A judge of its world.
    digest : callable
        Returns a digest of what lies in a folder or is a file.
    """
    own = digest_of_folder(audit, judge_folder(audit.world, judge), digest)
    beside, reference = classifier_beside(audit.world, judge), reference_of(audit.world, judge)
    if beside is None and reference is None:
        return own
    parts = [own, *([digest_of_folder(audit, beside, digest)] if beside else [])]
    if name := reference_name(audit, judge):
        parts.append(json.dumps(stated_reference(audit, name), sort_keys=True))
    elif reference:
        parts.append(digest(reference))
    return digest_of(parts)


def stated_reference(audit: Audit, name: str) -> dict[str, Any]:
    """Return a reference as the world file states it."""
    return audit.world.references[name].model_dump(mode="json", exclude_defaults=True)


def own_files(audit: Audit, judge: str) -> list[Path]:
    """Return what a judge reads but its reference: its folder, and that of the classifier that it takes features of."""
    folders = [judge_folder(audit.world, judge), classifier_beside(audit.world, judge)]
    found: list[Path] = []
    for folder in (one for one in folders if one is not None):
        found += files_of_folder(audit, folder)
    return list(dict.fromkeys(found))


def files_of_folder(audit: Audit, folder: Path) -> list[Path]:
    """Return the files of a folder of a world, or what fetch_world writes once it is there."""
    part = audit.fetched_part(folder.as_posix())
    return [paths.fetched(audit.source, part)] if part else list_files(folder)


def digest_of_folder(audit: Audit, folder: Path, digest: Callable[[Path], str]) -> str:
    """Return a digest of a folder of a world, or of where it is fetched from."""
    part = audit.fetched_part(folder.as_posix())
    return origin_digest(audit.world.fetch[part]) if part else digest(folder)

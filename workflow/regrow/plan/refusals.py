"""Refuse to plan over results that are not what they look like: unknown to Snakemake, or of the first edition."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from regrow.errors import UserError
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.plan.products import products_of

RECORDS = Path(".snakemake")
ADOPTING = "REGROW_ADOPTING"  # set by `regrow adopt`, which is about to make the records
# Folders of results that only the first edition wrote; results now lie below the name of a world.
FIRST_EDITION = (
    "get_world erase_concept complete_weights revive_concept consult_oracle generate_images score_images "
    "compare_both_sides climb_ladder measure_spectrum paper report.html"
).split()
# Folders of a world that are no results of these params.
KEPT = ("store", "work", "fetch_world", "fetch_prompts", "fetch_reference")


def refuse_first_edition(audit: Audit) -> None:
    """Refuse a results folder of the first edition, whose files nothing here can read.

    Raises
    ------
    UserError
        Names what to move away.
    """
    found = [name for name in FIRST_EDITION if (paths.RESULTS / name).exists() and name != audit.world_name]
    if found:
        raise UserError(
            f"{paths.RESULTS / found[0]} is of the first edition, which this one cannot use: move {paths.RESULTS} "
            "away or delete it, and make the results anew"
        )


def refuse_unknown_results(audit: Audit) -> None:
    """Refuse results that Snakemake has no record of: it would judge them by their times alone and forget all settings.

    `dvc checkout` and `dvc pull` bring such files, and so do copies of another folder.

    Raises
    ------
    UserError
        Names one of them and the command that takes them over.
    """
    if (path := next(unknown_results(audit), None)) is not None:
        raise UserError(
            f"Snakemake has no record of {path}, so it cannot tell whether it is of these params: run `regrow adopt` "
            "if DVC brought it here, else `regrow discard`, which deletes all such results but no image"
        )


def unknown_results(audit: Audit) -> Iterator[Path]:
    """Yield the planned results of the audit's world that are there and that Snakemake has no record of.

    Tables do not count: git brings those of the record, and they are made anew with whatever is newer.
    """
    for path in products_of(audit):
        if path.is_file() and path.parts[2] not in KEPT and not _known(path):
            yield path


def discard_unknown_results(audit: Audit) -> int:
    """Delete all results of the audit's world that Snakemake has no record of, and return how many.

    The store stays: its images and scores are known by all that they are made of.
    """
    root = paths.RESULTS / audit.world_name
    ours = (path for folder in root.glob("*") if folder.name not in KEPT for path in folder.rglob("*"))
    unknown = [path for path in ours if path.is_file() and not _known(path)]
    for path in unknown:
        path.unlink()
    return len(unknown)


def _known(path: Path) -> bool:
    """Return whether Snakemake keeps a record of a file, or a mark that its job was cut short."""
    return any(record_of(path, kind).exists() for kind in ("metadata", "incomplete"))


def record_of(path: Path, kind: str) -> Path:
    """Return where Snakemake keeps its record of a file."""
    name = urlsafe_b64encode(path.as_posix().encode()).decode()
    pieces = [name[i : i + 254] for i in range(0, len(name), 254)]  # what is too long for a file name is split
    return Path(RECORDS, kind, *(f"@{piece}" for piece in pieces[:-1]), pieces[-1])

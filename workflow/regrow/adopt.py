"""Make Snakemake believe what DVC checked out, so that nothing is made again that DVC holds."""

import json
import subprocess
import sys
from pathlib import Path

from regrow.errors import UserError


def adopt(folder: Path) -> None:
    """Mark every result as up to date, once DVC has said that all are those of this very code and these params.

    `dvc checkout` and `dvc pull` bring files in any order of time, and Snakemake judges by time. Touching a part
    of them would hide changes later on, so all are touched or none.

    Parameters
    ----------
    folder : Path
        The repository, as checked out and before any edit.

    Raises
    ------
    UserError
        When `dvc status` is not clean, or one of the two tools fails.
    """
    status = json.loads(_run(folder, "dvc", "status", "--json") or "{}")
    if status:
        raise UserError(
            f"dvc status is not clean ({', '.join(status)}): run `dvc checkout` before any edit, "
            "or `dvc repro` to make the results anew"
        )
    _run(folder, "snakemake", "--touch", "--forceall", "--cores", "1")


def _run(folder: Path, tool: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UserError(f"`{tool} {' '.join(arguments)}` failed in {folder} ({last}): run it by hand to see why")
    return done.stdout

"""Make Snakemake believe what DVC checked out, so that nothing is made again that DVC holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.refusals import ADOPTING, unknown_results


def adopt(folder: Path) -> None:
    """Mark every result as up to date, once DVC has said that all are those of this very code and these params.

    `dvc checkout` and `dvc pull` bring files in any order of time and without Snakemake's records. Touching a part of
    them would hide changes later on, so all are touched or none.

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


def adopt_checked(audit_name: str) -> None:
    """Take over the results of an audit's world; DVC, the caller, has just found them to be of this code and params."""
    audit = Audit.current(audit_name)
    if any(unknown_results(audit)):
        _run(Path(), "snakemake", "results", "--touch", "--forceall", "--cores", "1", "--config", f"audit={audit_name}")


def _run(folder: Path, tool: str, *arguments: str) -> str:
    # Within a git hook, GIT_* names another repository than the folder's own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {ADOPTING: "1"}
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UserError(f"`{tool} {' '.join(arguments)}` failed in {folder} ({last}): run it by hand to see why")
    return done.stdout

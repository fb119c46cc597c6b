"""Make Snakemake believe what DVC checked out, so that nothing is made again that DVC holds."""

import json
import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.downloads import fetched_of
from regrow.plan.refusals import ADOPTING, unknown_results


def record_of(world: str) -> str:
    """Return the dvc.yaml that records a world: a file of its own, or else that of the repository."""
    own = Path("dvc", world, "dvc.yaml")
    return own.as_posix() if own.is_file() else "dvc.yaml"


def adopt(folder: Path, audit_name: str | None = None) -> None:
    """Mark every result as up to date, once DVC has said that all are those of this very code and these params.

    `dvc checkout` and `dvc pull` bring files in any order of time and without Snakemake's records. Touching a part of
    them would hide changes later on, so all are touched or none. What other worlds record is not looked at: nobody has
    all of it. Base models and prompts that no record holds are fetched first, or Snakemake would fetch them with the
    next change and make everything again that was made of them.

    Parameters
    ----------
    folder : Path
        The repository, as checked out and before any edit.
    audit_name : str, optional
        Whose results; those of the audit that params.yaml names.

    Raises
    ------
    UserError
        When `dvc status` is not clean, or one of the two tools fails.
    """
    with chdir(folder):
        audit = Audit.current(audit_name)
        file = record_of(audit.source)
        status = json.loads(_run("dvc", "status", "--json", file) or "{}")
        if status:
            raise UserError(
                f"dvc status {file} is not clean ({', '.join(status)}): run `dvc checkout {file}` before any edit, "
                f"or `dvc repro {file}` to make the results anew"
            )
        _touch(audit, [], ["--config", f"audit={audit_name}"] if audit_name else [])


def adopt_checked(audit_name: str) -> None:
    """Take over the results of an audit's world; DVC, the caller, has just found them to be of this code and params."""
    audit = Audit.current(audit_name)
    if any(unknown_results(audit)):
        _touch(audit, ["results"], ["--config", f"audit={audit_name}"])


def _touch(audit: Audit, targets: list[str], config: list[str]) -> None:
    if not all(path.is_file() for path in fetched_of(audit)):
        _run("snakemake", "fetch", "--cores", "1", *config)
    _run("snakemake", *targets, "--touch", "--forceall", "--cores", "1", *config)


def _run(tool: str, *arguments: str) -> str:
    # Within a git hook, GIT_* names another repository than the folder's own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {ADOPTING: "1"}
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UserError(f"`{tool} {' '.join(arguments)}` failed ({last}): run it by hand to see why")
    return done.stdout

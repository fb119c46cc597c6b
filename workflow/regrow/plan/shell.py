"""What stands before the command of every job."""

import shlex
from pathlib import Path


def prefix_of_jobs(package_root: Path) -> str:
    """Return shell commands that let a job find the package, and that keep out what else the caller has.

    The package comes by PYTHONPATH, also inside a conda environment, which holds third-party packages only (Snakemake
    takes PYTHONPATH out of the environment there). No notebook's backend, no user's packages and no repository of a git
    hook reach a job. The shell outlives SIGTERM, so that a stage can end after a whole batch (`regrow.preemption`).
    """
    return (
        f"export PYTHONPATH={shlex.quote(str(package_root))}${{PYTHONPATH:+:$PYTHONPATH}} MPLBACKEND=agg PYTHONUTF8=1 "
        "PYTHONNOUSERSITE=1; unset ${!GIT_@}; trap : TERM; "
    )

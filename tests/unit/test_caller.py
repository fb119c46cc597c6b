"""The environment of whoever calls a command, a job or the tests neither breaks them nor reaches what it should not."""

import os
import subprocess
import sys
from pathlib import Path

from regrow.plan.shell import prefix_of_jobs

ROOT = Path(__file__).parents[2]
NOTEBOOK = "module://matplotlib_inline.backend_that_is_not_there"


def python(code: str, **caller: str) -> str:
    """Run Python code in an environment of the caller's and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}{os.pathsep}{ROOT}", **caller}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def job_environment(**caller: str) -> dict[str, str]:
    """Return the environment in which the shell of a job runs its command."""
    prefix = prefix_of_jobs(Path("/the package"))
    environment = {"PATH": os.environ["PATH"], **caller}
    done = subprocess.run(["bash", "-c", f"{prefix} env"], env=environment, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_a_notebooks_backend_is_not_imported() -> None:
    code = (
        "from regrow import cli; cli.run = lambda words: print(__import__('matplotlib').get_backend()) or 0; cli.main()"
    )
    assert python(code, MPLBACKEND=NOTEBOOK) == "agg"


def test_a_job_knows_its_package_and_those_of_the_caller() -> None:
    assert job_environment(PYTHONPATH="/modules")["PYTHONPATH"] == "/the package:/modules"
    assert job_environment()["PYTHONPATH"] == "/the package"


def test_a_job_knows_neither_the_notebook_nor_the_hook_nor_the_locale() -> None:
    seen = job_environment(GIT_DIR="x", GIT_INDEX_FILE="x", MPLBACKEND=NOTEBOOK, PYTHONUTF8="0", PYTHONNOUSERSITE="")
    assert not [name for name in seen if name.startswith("GIT_")]
    assert (seen["MPLBACKEND"], seen["PYTHONUTF8"], seen["PYTHONNOUSERSITE"]) == ("agg", "1", "1")


def test_the_tests_themselves_know_no_repository_of_a_hook() -> None:
    code = "import os, tests.conftest; print([name for name in os.environ if name.startswith('GIT_')])"
    assert python(code, GIT_DIR="x", GIT_WORK_TREE="x") == "[]"

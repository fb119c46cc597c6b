"""What holds for all tests: no repository of a git hook, and how they are shared out among workers.

What a file makes is made once, and long runs begin first. xdist has groups for this, but they have no effect with
pytest 9.2 (pytest-xdist issue 1386).
"""

import os
from typing import Any

import pytest

# `git commit` tells its hooks of a repository: a test that runs git would commit into it.
for variable in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[variable]

WORKFLOW = "tests/workflow/"
# Their tests share only what all workers do, so each test may go anywhere.
APART = tuple(f"{WORKFLOW}test_{name}.py" for name in ("dvc", "failures", "reruns"))
TOGETHER = {"tests/unit/test_make_report.py": "tests/unit/test_figures.py"}  # both read the fixture `drawn`


def scope_of(nodeid: str) -> str:
    """Return the name of the tests that one worker runs."""
    file = nodeid.partition("::")[0]
    return nodeid if file in APART else TOGETHER.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(WORKFLOW))

"""Where the user's files are: in the working directory, or else in the repository, which ships a world."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def data_path(path: str) -> Path:
    """Return a path that a world names, seen from the working directory.

    A workflow that runs elsewhere (``--directory``, or this one as a module) finds the shipped world without a copy.
    """
    if not Path(path).exists() and (ROOT / path).exists():
        return Path(os.path.relpath(ROOT / path))
    return Path(path)


def shown(path: Path) -> str:
    """Return a path as an error names it: short where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative

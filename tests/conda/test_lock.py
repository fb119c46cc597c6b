"""The locked versions are on PyPI as wheels, without conflict, and nothing is missing among them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conda.conftest import PINS

PLATFORMS = {"linux": "x86_64-manylinux_2_28", "darwin": "aarch64-apple-darwin"}
OLDEST_MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # of PyTorch's wheels


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_list_is_complete_and_free_of_conflicts(platform: str, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(PINS) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "uv", "pip", "compile", requirements, "--no-annotate", "--no-header"]
    command += ["--python-version=3.11", f"--python-platform={PLATFORMS[platform]}", "--only-binary=:all:"]
    settings = {**os.environ, **OLDEST_MACOS}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if "error sending request" in done.stderr:
        pytest.skip("PyPI is not reached from here")
    assert done.returncode == 0, done.stderr
    here = [pin for pin in map(Requirement, PINS) if not pin.marker or pin.marker.evaluate({"sys_platform": platform})]
    assert sorted(done.stdout.split()) == sorted(f"{canonicalize_name(pin.name)}{pin.specifier}" for pin in here)

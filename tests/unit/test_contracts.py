"""The wall and the layers are import contracts, and each contract is broken by what it forbids."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in `folder`."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "pyproject.toml"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": "workflow", "PATH": ""}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "workflow/regrow", folder / "workflow/regrow", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_package_keeps_its_contracts(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("attack/roots.py", "regrow.model.masks"),
        ("attack/quantize.py", "regrow.model.pipelines"),
        ("attack/roots.py", "regrow.oracle.true_values"),
        ("complete/nuclear.py", "regrow.erase.conceptprune"),
        ("stages/attack_weights.py", "regrow.model.masks"),
        ("stages/complete_weights.py", "regrow.model.pipelines"),
        ("stages/attack_prompts.py", "regrow.concepts"),
        ("io/files.py", "regrow.model.names"),
        ("model/deltas.py", "regrow.images.renderer"),
        ("images/renderer.py", "regrow.judge.classifier"),
        ("evaluate/signs.py", "regrow.tables.intervals"),
        ("plan/audit.py", "regrow.stages.make_table"),
        ("judge/classifier.py", "regrow.stages.score_images"),
    ],
)
def test_a_breach_is_found(copy: Path, module: str, imported: str) -> None:
    path = copy / "workflow/regrow" / module
    before = path.read_text()
    assert (copy / "workflow" / imported.replace(".", "/")).with_suffix(".py").is_file()
    path.write_text(f"{before}\n\ndef _breach():\n    import {imported}\n")
    try:
        done = lint(copy)
    finally:
        path.write_text(before)
    assert done.returncode != 0
    assert imported in done.stdout

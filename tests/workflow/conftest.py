"""One real run of the workflow on the tiny world, by DVC, in a copy of the repository; tests change copies of it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.tiny.make_world import make_world

ROOT = Path(__file__).parents[2]
PARTS = (
    "Snakefile",
    "dvc.yaml",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "pyproject.toml",
    "envs",
    "profiles",
    "workflow",
    "data/reported",
)
NOTHING = "Nothing to be done"


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a command in a copy: its own package, and no repository of a git hook."""
    caller = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "REGROW_", "SNAKEMAKE_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**caller, "PATH": path, "PYTHONPATH": str(folder / "workflow")}


@dataclass(frozen=True)
class Copy:
    """A copy of the repository over the tiny world."""

    folder: Path

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command there and return what it printed; it has to succeed, or to fail with `fails`."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(self.folder),
            text=True,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def copied(self, folder: Path) -> "Copy":
        """Return a copy of this copy; times are kept, so a finished run stays one."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Copy(folder)

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        return self.run(sys.executable, "-m", "snakemake", "--cores", "2", *arguments, fails=fails)

    def regrow(self, *arguments: str, fails: bool = False) -> str:
        return self.run(sys.executable, "-m", "regrow", *arguments, fails=fails)

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def git(self, *arguments: str) -> str:
        return self.run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments)

    def planned(self, *arguments: str) -> dict[str, set[str]]:
        """Return the outputs that a dry run would make, by stage."""
        plan: dict[str, set[str]] = {}
        rule = ""
        for line in self.snakemake("--dry-run", *arguments).splitlines():
            if found := re.match(r"(?:local)?rule (\w+):", line):
                rule = found[1]
                plan.setdefault(rule, set())
            elif found := re.match(r" {4}output: (.*)", line):
                plan[rule] |= set(found[1].split(", "))
        return {rule: outputs for rule, outputs in plan.items() if rule not in ("all", "audit", "results", "tables")}

    def inputs(self, rule: str, *arguments: str) -> set[str]:
        """Return the inputs of all jobs of a rule."""
        text = self.snakemake("--dry-run", "--forceall", *arguments)
        blocks = re.findall(rf"^(?:local)?rule {rule}:\n((?: +.*\n)+)", text, re.M)
        return {name for block in blocks for line in re.findall(r" {4}input: (.*)", block) for name in line.split(", ")}

    def edit_yaml(self, file: str, **changes: object) -> None:
        """Change a YAML file; `generate_images__steps=3` is the key steps of generate_images."""
        path = self.folder / file
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in changes.items():
            *sections, last = key.split("__")
            section = content
            for name in sections:
                section = section[name]
            section[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def edit_params(self, **changes: object) -> None:
        self.edit_yaml("params.yaml", **changes)

    def edit_audit(self, **changes: object) -> None:
        self.edit_yaml("config/audits/tiny.yaml", **changes)

    def append(self, file: str, text: str) -> None:
        with (self.folder / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def tables(self) -> dict[str, bytes]:
        folder = self.folder / "results/audits/tiny/tables"
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.csv"))}


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Copy:
    """The repository over the tiny world, committed, nothing run yet."""
    copy = Copy(tmp_path_factory.mktemp("fresh") / "repository")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        source, target = ROOT / part, copy.folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy2(source, target)
    shutil.copy2(ROOT / "tests/tiny/params.yaml", copy.folder)
    shutil.copytree(ROOT / "tests/tiny/config", copy.folder / "config")
    for name in ("dvc.yaml", ".gitignore"):  # the tiny world takes the emoji world's place in the record
        path = copy.folder / name
        path.write_text(path.read_text(encoding="utf-8").replace("emoji", "tiny"), encoding="utf-8")
    make_world(copy.folder / "data/tiny")
    copy.git("init", "--quiet")
    copy.git("add", ".")
    copy.git("commit", "--quiet", "--message", "tiny world")
    return copy


@pytest.fixture(scope="session")
def finished(fresh, tmp_path_factory) -> Copy:
    """Another after `dvc repro`, the record committed. Tests read it and do not write."""
    copy = fresh.copied(tmp_path_factory.mktemp("finished") / "repository")
    copy.dvc("repro")
    copy.git("add", ".")
    copy.git("commit", "--quiet", "--message", "results")
    return copy


@pytest.fixture
def copy(finished, tmp_path) -> Copy:
    """A copy of the finished run that a test may change; times are kept, so there is nothing to do in it."""
    return finished.copied(tmp_path / "repository")

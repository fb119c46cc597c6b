"""One real run of the workflow on the tiny world, by DVC, in a copy of the repository; tests change copies of it."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from tests.preloaded.start import preloaded
from tests.tiny.make_world import make_world

ROOT = Path(__file__).parents[2]
PARTS = (
    "Snakefile",
    "dvc.yaml",
    "dvc",
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
FEW = ["roots/table1", "roots/figure5", "ours/signs"]  # tables of images and of weights, where a run need not make all


OWN_COMMANDS = Path(sys.executable).parent


def environment(folder: Path, commands: Path = OWN_COMMANDS) -> dict[str, str]:
    """Return the environment of a command in a copy: its own package, and no repository of a git hook."""
    foreign = ("GIT_", "REGROW_", "SNAKEMAKE_", "PYTEST_")
    caller = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    return {**caller, "PATH": path, "PYTHONPATH": str(folder / "workflow")}


@dataclass(frozen=True)
class Copy:
    """A copy of the repository over the tiny world; `commands` is where its Python, Snakemake and DVC are."""

    folder: Path
    commands: Path = OWN_COMMANDS

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command there and return what it printed; it has to succeed, or to fail with `fails`."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(self.folder, self.commands),
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
        return replace(self, folder=folder)

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        return self.run("snakemake", "--cores", "2", *arguments, fails=fails)

    def regrow(self, *arguments: str, fails: bool = False) -> str:
        return self.run("regrow", *arguments, fails=fails)

    def dvc(self, *arguments: str) -> str:
        return self.run("dvc", *arguments)

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

    def tables(self, *names: str) -> dict[str, bytes]:
        """Return all tables, or some."""
        folder = self.folder / "results/audits/tiny/tables"
        paths = [folder / f"{name}.csv" for name in names] or sorted(folder.rglob("*.csv"))
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker makes who asks for it; the others wait for that."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, made = root / name / "repository", root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder.parent, ignore_errors=True)
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Copy:
    """The repository over the tiny world, committed, nothing run yet. Tests read it and do not write."""
    return Copy(made_once(tmp_path_factory, "fresh", _make_fresh))


def _make_fresh(folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy2(source, target)
    shutil.copy2(ROOT / "tests/tiny/params.yaml", folder)
    shutil.copytree(ROOT / "tests/tiny/config", folder / "config")
    for name in ("dvc.yaml", ".gitignore"):  # the tiny world takes the emoji world's place in the record
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace("emoji", "tiny"), encoding="utf-8")
    make_world(folder / "data/tiny")
    copy = Copy(folder)
    copy.git("init", "--quiet")
    _commit(copy, "tiny world")


def _commit(copy: Copy, message: str) -> None:
    copy.git("add", ".")
    copy.git("commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def preloaded_commands() -> Iterator[Path]:
    """Commands in processes that have the libraries already: four fifths of a tiny run would be their import."""
    with TemporaryDirectory(prefix="regrow-") as home, preloaded(Path(home)) as commands:
        yield commands


@pytest.fixture(scope="session")
def unrun(fresh, preloaded_commands) -> Copy:
    """The same with preloaded commands."""
    return replace(fresh, commands=preloaded_commands)


@pytest.fixture(scope="session")
def finished(unrun, tmp_path_factory) -> Copy:
    """Another after `dvc repro`, the record committed. Tests read it and do not write."""

    def make(folder: Path) -> None:
        copy = unrun.copied(folder)
        copy.dvc("repro")
        _commit(copy, "results")

    return replace(unrun, folder=made_once(tmp_path_factory, "finished", make))


@pytest.fixture
def new(unrun, tmp_path) -> Copy:
    """A copy in which nothing ran yet, which a test may change."""
    return unrun.copied(tmp_path / "repository")


@pytest.fixture
def copy(finished, tmp_path) -> Copy:
    """A copy of the finished run that a test may change; times are kept, so there is nothing to do in it."""
    return finished.copied(tmp_path / "repository")

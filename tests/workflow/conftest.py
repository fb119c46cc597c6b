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
    "envs",
    "profiles",
    "workflow",
    "data/published",
)
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT / "workflow"),
}
NOTHING = "Nothing to be done"


@dataclass(frozen=True)
class Copy:
    """A copy of the repository over the tiny world."""

    folder: Path

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command there and return what it printed; it has to succeed, or to fail with `fails`."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        return self.run(sys.executable, "-m", "snakemake", "--cores", "2", *arguments, fails=fails)

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
                rule = found[1].replace("_pretrained_", "_")
                plan.setdefault(rule, set())
            elif found := re.match(r" {4}output: (.*)", line):
                plan[rule] |= {name.removesuffix(" (update)") for name in found[1].split(", ")}
        return plan

    def inputs(self, rule: str) -> set[str]:
        """Return the inputs of all jobs of a rule."""
        text = self.snakemake("--dry-run", "--forceall")
        blocks = re.findall(rf"^(?:local)?rule {rule}:\n((?: +.*\n)+)", text, re.M)
        return {name for block in blocks for line in re.findall(r" {4}input: (.*)", block) for name in line.split(", ")}

    def edit_params(self, **changes: object) -> None:
        """Change params.yaml; `generate_images__n=3` is the key n of generate_images."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *sections, last = key.split("__")
            section = params
            for name in sections:
                section = section[name]
            section[last] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def append(self, file: str, text: str = "\n# edited\n") -> None:
        with (self.folder / file).open("a") as stream:
            stream.write(text)

    def tables(self) -> dict[str, bytes]:
        paths = sorted((self.folder / "results/paper/tables").glob("*.csv"))
        return {path.name: path.read_bytes() for path in paths}


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
    make_world(copy.folder / "data/tiny")
    copy.git("init", "--quiet")
    copy.git("add", ".")
    copy.git("commit", "--quiet", "--message", "tiny world")
    return copy


@pytest.fixture(scope="session")
def finished(fresh) -> Copy:
    """The same after `dvc repro`, the record committed. Tests read it and do not write."""
    fresh.dvc("repro")
    fresh.git("add", ".")
    fresh.git("commit", "--quiet", "--message", "results")
    return fresh


@pytest.fixture
def copy(finished, tmp_path) -> Copy:
    """A copy of the finished run that a test may change; times are kept, so there is nothing to do in it."""
    shutil.copytree(finished.folder, tmp_path / "repository", symlinks=True)
    return Copy(tmp_path / "repository")

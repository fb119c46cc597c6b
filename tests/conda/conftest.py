"""A `conda` for Snakemake: a real solver and installer over a local channel, and pip over wheels of what is here."""

import os
import shlex
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import Copy, fresh, preloaded_commands  # noqa: F401  # fixtures

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOOLS = ROOT / ".conda/bin/python"  # made by `make test-conda`
ENVIRONMENT = yaml.safe_load((ROOT / "envs/regrow.yaml").read_text(encoding="utf-8"))
PINS = next(part["pip"] for part in ENVIRONMENT["dependencies"] if isinstance(part, dict))


@dataclass(frozen=True)
class Conda:
    """A conda that stands first on the PATH, and the environments that it makes."""

    root: Path

    @property
    def use(self) -> tuple[str, ...]:
        """The options of Snakemake."""
        return "--use-conda", "--conda-prefix", str(self.root / "environments")

    @property
    def environment(self) -> Path:
        """The one environment that was made."""
        (done,) = (self.root / "environments").glob("*.env_setup_done")
        return done.with_suffix("")


def reason_to_skip() -> str:
    if os.environ.get("REGROW_TEST_CONDA") != "1":
        return "in a conda environment: make test-conda"
    if f"python={sysconfig.get_python_version()}" not in ENVIRONMENT["dependencies"]:
        return f"the environment has another Python than the one that runs this, {sysconfig.get_python_version()}"
    if "deb_system" in sysconfig.get_scheme_names():
        return "Debian's Python installs to folders of its own and cannot be packed"
    return ""


@pytest.fixture(scope="session")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conda]:
    root = tmp_path_factory.mktemp("conda")
    pins = root / "pins.txt"
    pins.write_text("\n".join(PINS) + "\n", encoding="utf-8")
    run("make_channel.py", "--out", root / "channels/conda-forge", "--work", root / "work")
    site = sysconfig.get_path("purelib")
    run("make_wheels.py", "--site", site, "--requirements", pins, "--links", root / "links", "--out", root / "wheels")
    (root / "bin").mkdir()
    (root / "bin/activate").write_text((HERE / "activate.sh").read_text(encoding="utf-8"), encoding="utf-8")
    front_end = shlex.join(map(str, (TOOLS, HERE / "front_end.py", "--root", root)))
    (root / "bin/conda").write_text(f'#!/bin/sh\nexec {front_end} "$@"\n', encoding="utf-8")
    (root / "bin/conda").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(root / "bin"), prepend=":")
        # pip takes nothing but these wheels, whatever is set up on this machine. (0 is what means not to compile.)
        settings = {"CONFIG_FILE": "/dev/null", "NO_INDEX": "1", "FIND_LINKS": root / "wheels", "NO_COMPILE": "0"}
        for name, value in settings.items():
            patch.setenv(f"PIP_{name}", str(value))
        # What the user has installed for all environments is not seen by jobs, so it must not be left out.
        patch.setenv("PYTHONUSERBASE", str(with_a_package(root / "user")))
        yield Conda(root)


def with_a_package(folder: Path) -> Path:
    """Put the metadata of a package, in the version of the lock, where a user's packages lie."""
    (pin,) = (pin for pin in PINS if pin.startswith("rich=="))
    version = pin.partition("==")[2]
    info = folder / f"lib/python{sysconfig.get_python_version()}/site-packages/rich-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rich\nVersion: {version}\n", encoding="utf-8")
    return folder


def run(script: str, *arguments: object) -> None:
    done = subprocess.run([TOOLS, HERE / script, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def small(fresh: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:  # noqa: F811
    """One concept, one attack and a few tables."""
    copy = fresh.copied(tmp_path_factory.mktemp("small") / "repository")
    copy.edit_audit(concepts=["church"], attacks=["roots_auto"], oracles=[], tables=["roots/table1", "ours/signs"])
    copy.edit_params(generate_images__rows_per_job=100)
    return copy


@pytest.fixture(scope="session")
def plain(small: Copy, preloaded_commands: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:  # noqa: F811
    """The workflow without conda."""
    copy = replace(small, commands=preloaded_commands).copied(tmp_path_factory.mktemp("plain") / "repository")
    copy.snakemake("tables")
    return copy


@pytest.fixture(scope="session")
def installed(small: Copy, conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The workflow with its environment made and nothing run."""
    copy = small.copied(tmp_path_factory.mktemp("installed") / "repository")
    copy.snakemake("tables", *conda.use, "--conda-create-envs-only")
    return copy

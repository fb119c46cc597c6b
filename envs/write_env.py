"""Write the conda environments of the rules from lock.txt: `make lock` runs both steps.

regrow.yaml is that of all rules but those that run NudeNet, whose licence not everybody wants: regrow_nudity.yaml.
An environment is Python, pip and the locked versions of everything that the rules import. Snakemake, DVC and the
developers' tools are in the same lock and stay outside: they start jobs and are not imported by them.
"""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

FOLDER = Path(__file__).parent
OUTSIDE = {"snakemake", "dvc"}
# By file: the extras that its rules import too, to render sprites, to compute distances, to detect.
EXTRAS = {"regrow": ("emoji", "fid"), "regrow_nudity": ("nudity",)}
PYTHON = "3.11"  # the results in git were made with it
PLATFORMS = {
    name: {"sys_platform": name, "platform_system": system, "platform_machine": machine, "os_name": "posix"}
    for name, system, machine in (("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64"))
}
PYTORCH_INDEX = "https://download.pytorch.org/whl"  # the builds of PyTorch that are not the usual one
HEADER = """\
# Made by `make lock` from envs/lock.txt: do not edit. Why from pip, and the driver it needs: docs/environments.md.
# The package itself comes by PYTHONPATH, see workflow/Snakefile.
"""


def canonical(name: str) -> str:
    """Return the name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """Return what `uv pip compile` wrote: the requirements of each package and the packages that need it.

    A package has several requirements where its version depends on Python or on the system.
    """
    requirements: dict[str, list[str]] = {}
    needed_by: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        if found := re.match(r"([\w.-]+)==\S+", line):
            name = canonical(found[1])
            requirements.setdefault(name, []).append(line.rstrip())
            needed_by.setdefault(name, set())
        elif found := re.match(r" +#(?: via)? +([\w.-]+)", line):
            needed_by[name].add(canonical(found[1]))
    return requirements, needed_by


def of_the_rules(project: dict, needed_by: dict[str, set[str]], extras: tuple[str, ...]) -> set[str]:
    """Return the packages that rules import and all that these need, given the table `project` of pyproject.toml."""
    direct = [*project["dependencies"], *(name for extra in extras for name in project["optional-dependencies"][extra])]
    wanted = {canonical(re.match(r"[\w.-]+", requirement)[0]) for requirement in direct} - OUTSIDE
    while more := {name for name, parents in needed_by.items() if parents & wanted} - wanted:
        wanted |= more
    return wanted


def with_short_marker(line: str) -> list[str]:
    """Return a line of the lock for this Python, with the platform if only one of them needs it; [] if none does."""
    requirement = Requirement(line)
    version = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    marker = requirement.marker
    on = [name for name, values in PLATFORMS.items() if not marker or marker.evaluate({**values, **version})]
    pinned = f"{requirement.name}{requirement.specifier}"
    return [pinned] if len(on) == len(PLATFORMS) else [f"{pinned} ; sys_platform == '{name}'" for name in on]


def environment(project: dict, lock: str, extras: tuple[str, ...]) -> str:
    """Return the text of a conda environment with some extras of the project."""
    requirements, needed_by = read_lock(lock)
    chosen = sorted(of_the_rules(project, needed_by, extras))
    lines = [line for name in chosen for requirement in requirements[name] for line in with_short_marker(requirement)]
    # A local version such as 2.14.1+cu126 is a build that only PyTorch's own index of that name has.
    builds = sorted({found[1] for line in lines if (found := re.match(r"\S+\+(\w+)", line))})
    options = [f"--extra-index-url {PYTORCH_INDEX}/{build}" for build in builds]
    pip = "".join(f"      - {line}\n" for line in [*options, *lines])
    return f"{HEADER}channels:\n  - conda-forge\ndependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{pip}"


if __name__ == "__main__":
    pyproject = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (FOLDER / "lock.txt").read_text(encoding="utf-8")
    for name, extras in EXTRAS.items():
        text = environment(pyproject["project"], lock, extras)
        (FOLDER / f"{name}.yaml").write_text(text, encoding="utf-8")

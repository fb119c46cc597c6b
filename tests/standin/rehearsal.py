"""Rehearse an audit of Stable Diffusion on stand-ins of a few MB: fetched from a local hub, audited, reported.

    python -m tests.standin.rehearsal FOLDER [--audit sd21] [--concepts church golf-ball] [--every-set]

Everything but the files is real: the world file (with the stand-ins' digests and counts), the download, every stage and
table. The numbers mean nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.hub.isolation import PROXIES, VARIABLES
from tests.hub.server import Hub, Repository, serve
from tests.preloaded.start import preloaded
from tests.standin.every_set import write_audits
from tests.standin.judges import WRITERS, write_photographs
from tests.standin.layout import Layout, write_standin
from tests.standin.layout_sd2 import LAYOUTS
from tests.standin.prompts import publish_prompts

ROOT = Path(__file__).parents[2]
PARTS = ["Snakefile", "params.yaml", "pyproject.toml", "config", "data/reported", "data/sd15", "envs", "profiles"]
PARTS += ["workflow", "dvc", ".dvc/config", ".dvcignore", ".gitignore"]
ALSO = ["sd15_styles", "sd15_nudity"]
PLAIN, PHOTOGRAPHS = "plain", "coco/zips"  # what the local hub calls that is no repository elsewhere


def command(audit: str) -> list[str]:
    """Return what Snakemake is told to rehearse an audit."""
    return ["--config", f"audit={audit}", "rehearsal=true", "device=cpu"]


COMMAND = command("sd15")


@dataclass(frozen=True)
class Rehearsal:
    """A copy of the repository beside a hub that serves what one of its worlds fetches."""

    folder: Path
    hub: Hub
    commands: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a command there: downloads come from the local hub, and nothing else of the caller's."""
        foreign = (*VARIABLES, *PROXIES)
        caller = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith(("GIT_", "REGROW_"))}
        mirrors = {"HF_ENDPOINT": self.hub.url, "REGROW_GITHUB_MIRROR": f"{self.hub.url}/raw", "HF_TOKEN": "rehearsal"}
        mirrors |= {"REGROW_REFERENCE_MIRROR": f"{self.hub.url}/raw/{PHOTOGRAPHS}"}
        wheels = self.folder.parent / "published/nudenet_308"
        mirrors |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
        own = {"HF_HUB_CACHE": str(self.folder / "no-cache"), "PYTHONPATH": str(self.folder / "workflow")}
        return {**caller, **mirrors, **own, "PATH": f"{self.commands}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *command: str) -> str:
        """Run a command there and return what it printed; it has to succeed."""
        told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
        done = subprocess.run(command, cwd=self.folder, env=self.environment, check=False, **told)
        assert done.returncode == 0, done.stdout
        return str(done.stdout)


@contextmanager
def rehearsal(
    folder: Path, concepts: list[str] | None = None, commands: Path = Path(sys.executable).parent, audit: str = "sd15"
) -> Iterator[Rehearsal]:
    """Copy the repository, publish the stand-ins of an audit's world, and run the hub while the block runs."""
    repository, published = folder / "repository", folder / "published"
    for part in (part for part in PARTS if (ROOT / part).exists()):
        target = repository / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(ROOT / part, target)
    selected = repository / f"config/audits/{audit}.yaml"
    name = yaml.safe_load(selected.read_text(encoding="utf-8"))["world"]
    path = repository / f"config/worlds/{name}.yaml"
    world = yaml.safe_load(path.read_text(encoding="utf-8"))
    with serve(_publish(published, world, LAYOUTS[name])) as hub:
        for part, origin in world["fetch"].items():
            if "url" in origin:
                origin["url"] = f"{hub.url}/raw/{PLAIN}/{part}"
        path.write_text(yaml.safe_dump(world, sort_keys=False), encoding="utf-8")
        if concepts:
            keep(selected, concepts=concepts)
        yield Rehearsal(repository, hub, commands)


def _publish(folder: Path, world: dict[str, Any], layout: Layout) -> Hub:
    """Write what a world fetches and put its digests and counts into the world; return the hub that has them."""
    fetch, repositories = world["fetch"], {}
    write_standin(folder / "pipeline", layout=layout)
    for part, origin in fetch.items():
        own = folder / part
        if part != "pipeline":
            WRITERS[part](own, origin)
        origin["files"] |= {file: _sha256(own / file) for file, digest in origin["files"].items() if _is_full(digest)}
        if "package" not in origin:  # of which pip is told the folder
            name = origin.get("repo") or f"{PLAIN}/{part}"
            repositories[name] = Repository(own, origin.get("revision") or "0" * 40)
    for reference in world.get("references", {}).values():
        write_photographs(folder / "photographs", reference["file"], reference["member"])
        repositories[PHOTOGRAPHS] = Repository(folder / "photographs", "0" * 40)
    return Hub({**repositories, **publish_prompts(folder / "prompts", world)})


def _is_full(digest: str | None) -> bool:
    return digest is not None and len(digest) == 64


def keep(path: Path, count: int = 2, **names: list[str]) -> None:
    """Leave some concepts, attacks, prompt_sets and so on in an audit, and fewer images of each prompt set."""
    audit = yaml.safe_load(path.read_text(encoding="utf-8"))
    audit["counts"] = dict.fromkeys(names.pop("prompt_sets", audit["counts"]), count)
    for selection in (audit, *audit.get("selections", {}).values()):
        for kind, chosen in names.items():
            if kind in selection:
                selection[kind] = [name for name in selection[kind] if name in chosen] or chosen[:1]
    path.write_text(yaml.safe_dump(audit, sort_keys=False), encoding="utf-8")


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Run the rehearsal and say where each report is."""
    parser = argparse.ArgumentParser("tests.standin.rehearsal", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--audit", default="sd15", help="a file of config/audits in a world of Stable Diffusion")
    parser.add_argument("--concepts", nargs="*", help="some of the audit's concepts")
    parser.add_argument("--every-set", action="store_true", help="also styles and nudity, and every prompt set")
    parser.add_argument("--cores", default="all", help="of Snakemake")
    arguments = parser.parse_args()
    folder, audit, begin = arguments.folder.resolve(), arguments.audit, time.monotonic()
    # Its hundreds of jobs of seconds would spend most of their time on imports.
    home = tempfile.TemporaryDirectory(prefix="regrow-")
    with home, preloaded(Path(home.name)) as commands, rehearsal(folder, arguments.concepts, commands, audit) as made:
        audits = [audit]
        if arguments.every_set:
            audits += [*ALSO, *write_audits(made.folder, 3)]
        for name in audits:
            snakemake = ["snakemake", "--cores", arguments.cores, *command(name)]
            done = subprocess.run(snakemake, cwd=made.folder, env=made.environment, check=False)
            if done.returncode:
                sys.exit(done.returncode)
            report = made.folder / f"results/audits/{name}_rehearsal/report.html"
            sys.stdout.write(f"{time.monotonic() - begin:.0f} s. Open {report}\n")


if __name__ == "__main__":
    main()

"""Rehearse the audit of Stable Diffusion 1.5 on stand-ins of a few MB: fetched from a local hub, audited, reported.

    python -m tests.standin.rehearsal FOLDER [--concepts church golf-ball]

Everything but the files is real: the world file (with the stand-ins' digests and counts), the download, every stage and
table. The numbers mean nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
import yaml
from safetensors.torch import save_file

from tests.hub.isolation import PROXIES, VARIABLES
from tests.hub.server import Hub, Repository, serve
from tests.standin.layout import write_standin
from tests.standin.prompts import publish_prompts

ROOT = Path(__file__).parents[2]
PARTS = ["Snakefile", "params.yaml", "pyproject.toml", "config", "data/reported", "data/sd15", "envs", "profiles"]
PARTS += ["workflow", "dvc", ".dvc/config", ".dvcignore", ".gitignore"]
JUDGE = "squeezenet1_1"  # in place of ResNet-50, which has 100 MB
COMMAND = ["--config", "audit=sd15", "rehearsal=true", "device=cpu"]


@dataclass(frozen=True)
class Rehearsal:
    """A copy of the repository beside a hub that serves what its world sd15 fetches."""

    folder: Path
    hub: Hub
    commands: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a command there: downloads come from the local hub, and nothing else of the caller's."""
        foreign = (*VARIABLES, *PROXIES)
        caller = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith(("GIT_", "REGROW_"))}
        mirrors = {"HF_ENDPOINT": self.hub.url, "REGROW_GITHUB_MIRROR": f"{self.hub.url}/raw"}
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
    folder: Path, concepts: list[str] | None = None, commands: Path = Path(sys.executable).parent
) -> Iterator[Rehearsal]:
    """Copy the repository, publish the stand-ins, and run the hub while the block runs."""
    repository, published = folder / "repository", folder / "published"
    for part in (part for part in PARTS if (ROOT / part).exists()):
        target = repository / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(ROOT / part, target)
    path = repository / "config/worlds/sd15.yaml"
    world = yaml.safe_load(path.read_text(encoding="utf-8"))
    with serve(_publish(published, world)) as hub:
        judge = world["fetch"]["object"]
        judge["url"] = f"{hub.url}/raw/{judge.pop('served_as')}"
        path.write_text(yaml.safe_dump(world, sort_keys=False), encoding="utf-8")
        if concepts:
            _keep_concepts(repository / "config/audits/sd15.yaml", concepts)
        yield Rehearsal(repository, hub, commands)


def _publish(folder: Path, world: dict[str, Any]) -> Hub:
    """Write what a world fetches and put its digests and counts into the world; return the hub that has them."""
    fetch, repositories = world["fetch"], {}
    for part, write in (("pipeline", write_standin), ("object", _write_judge), ("clip", _write_clip)):
        origin, own = fetch[part], folder / part
        write(own)
        name = origin.get("repo") or "torch/models"
        repositories[name] = Repository(own, origin.get("revision") or "0" * 40)
        if part == "object":
            (file,) = [path.name for path in own.iterdir()]
            origin["files"] = {file: file.rpartition("-")[2].removesuffix(".pth")}
            origin["judge"] |= {"architecture": JUDGE, "weights": "IMAGENET1K_V1", "file": file}
            origin["served_as"] = name
        pinned = (file for file, digest in origin["files"].items() if digest is not None and len(digest) == 64)
        origin["files"] |= {file: _sha256(own / file) for file in pinned}
    return Hub({**repositories, **publish_prompts(folder / "prompts", world)})


def _write_judge(folder: Path) -> None:
    """Write random weights of a small classifier of ImageNet, named by their digest as torchvision names them."""
    folder.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision.models.get_model(JUDGE, weights=None).state_dict(), folder / "new.pth")
    (folder / "new.pth").rename(folder / f"{JUDGE}-{_sha256(folder / 'new.pth')[:8]}.pth")


def _write_clip(folder: Path) -> None:
    """Write a file that is fetched and never loaded: no table of the audit asks for CLIP."""
    folder.mkdir(parents=True)
    save_file({"logit_scale": torch.ones(1)}, folder / "open_clip_model.safetensors")


def _keep_concepts(path: Path, concepts: list[str]) -> None:
    """Leave some concepts in an audit, and fewer images of each."""
    audit = yaml.safe_load(path.read_text(encoding="utf-8"))
    audit["counts"] = dict.fromkeys(audit["counts"], 2)
    for selection in (audit, *audit.get("selections", {}).values()):
        if "concepts" in selection:
            selection["concepts"] = [name for name in selection["concepts"] if name in concepts] or concepts[:1]
    path.write_text(yaml.safe_dump(audit, sort_keys=False), encoding="utf-8")


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Run the rehearsal and say where the report is."""
    parser = argparse.ArgumentParser("tests.standin.rehearsal", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--concepts", nargs="*", help="some of the audit's concepts")
    parser.add_argument("--cores", default="all", help="of Snakemake")
    arguments = parser.parse_args()
    begin = time.monotonic()
    with rehearsal(arguments.folder.resolve(), arguments.concepts) as made:
        snakemake = ["snakemake", "--cores", arguments.cores, *COMMAND]
        done = subprocess.run(snakemake, cwd=made.folder, env=made.environment, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    report = made.folder / "results/audits/sd15_rehearsal/report.html"
    sys.stdout.write(f"{time.monotonic() - begin:.0f} s. Open {report}\n")


if __name__ == "__main__":
    main()

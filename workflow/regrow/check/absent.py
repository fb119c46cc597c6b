"""Say how a file of a world that is not here is got."""

from __future__ import annotations

from pathlib import Path

from regrow.config.files import WorldFile
from regrow.config.reader import read_yaml
from regrow.places import ROOT
from regrow.plan import paths


def how_to_get(world: WorldFile, name: str, folder: str) -> str:
    """Return what fetches a folder or a file of prompts of a world, or that nothing does."""
    path = Path(folder)
    if path.stem in world.fetch_prompts and paths.fetched_prompts(name, path.stem) == path:
        return f"fetch it with `regrow fetch_prompts --world {name} --names {path.stem}`"
    audit = _audit_of(name)
    if path.name in world.fetch and audit and paths.fetched(name, path.name).with_suffix("") == path:
        return f"fetch it with `snakemake --cores 1 --config audit={audit} -- {paths.fetched(name, path.name)}`"
    return f"restore it, or correct config/worlds/{name}.yaml"


def _audit_of(world: str) -> str | None:
    """Return an audit of a world, which Snakemake has to be told."""
    for folder in (Path("config/audits"), ROOT / "config/audits"):
        for path in sorted(folder.glob("*.yaml")):
            if read_yaml(path).get("world") == world:
                return path.stem
    return None

"""The commands of conda that Snakemake 9 calls, on py-rattler, the solver and installer of pixi.

It is as strict as the newest conda: `nodefaults` is a channel like any other, which no server has. Pin files fail.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from rattler import Channel, ChannelConfig, Gateway, MatchSpec, Platform, VirtualPackage, install, solve
from rattler.exceptions import GatewayError, SolverError

CONDA = "24.7.1"  # the oldest that Snakemake takes


def arguments(command: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("--root", type=Path, required=True, help="folder with bin/activate, channels and packages")
    parser.add_argument("words", nargs="*")
    for option in ("--file", "--prefix", "--get"):
        parser.add_argument(option)
    for flag in ("--version", "--json", "--quiet", "--yes", "-y", "--no-default-packages", "--tarballs", "--packages"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args(command)


async def install_packages(names: list[str], channels: list[str], root: Path, prefix: Path) -> None:
    """Solve and install conda packages from the local channels."""
    config = ChannelConfig(channel_alias=(root / "channels").as_uri() + "/")
    records = await solve(
        [Channel(channel, config) for channel in channels],
        [MatchSpec(name) for name in names],
        gateway=Gateway(),
        platforms=[Platform.current(), Platform("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(records, prefix, show_progress=False, cache_dir=root / "packages")


def create(file: Path, root: Path, prefix: Path) -> None:
    """Make an environment from a YAML file: conda's packages, then pip's, the latter as conda does it."""
    if file.suffix not in (".yaml", ".yml"):
        raise SystemExit(f"conda: {file.name} is no environment file, and pin files hold no packages of pip")
    wanted = yaml.safe_load(file.read_text(encoding="utf-8"))
    names = [name for name in wanted["dependencies"] if isinstance(name, str)]
    pip = [line for part in wanted["dependencies"] if isinstance(part, dict) for line in part["pip"]]
    try:
        asyncio.run(install_packages(names, wanted["channels"], root, prefix))
    except (SolverError, GatewayError) as error:
        raise SystemExit(f"conda: {file.name} cannot be solved: {error}") from None
    if pip:
        listed = prefix / "pip-requirements.txt"
        listed.write_text("\n".join(pip) + "\n", encoding="utf-8")
        command = [prefix / "bin/python", "-m", "pip", "install", "-U", "-r", listed, "--exists-action=b"]
        if subprocess.run(command, cwd=file.parent, check=False).returncode:
            raise SystemExit(f"conda: pip could not install what {file.name} lists")


def main(command: list[str]) -> None:
    given = arguments(command)
    match given.words:
        case [] if given.version:
            print(f"conda {CONDA}")
        case ["info"]:
            print(json.dumps({"conda_prefix": str(given.root), "platform": str(Platform.current())}))
        case ["config"]:
            print(json.dumps({"get": {given.get: "strict"}}))
        case ["env", "create"] | ["create"]:
            create(Path(given.file), given.root, Path(os.path.abspath(given.prefix)))
        case ["clean"]:
            pass
        case words:
            raise SystemExit(f"conda: Snakemake is not known to call {words}")


if __name__ == "__main__":
    main(sys.argv[1:])

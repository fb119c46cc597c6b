"""Pins are the same in pyproject.toml and in the conda environments."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "open-clip-torch": "open-clip-torch"}
ENGINES = {"snakemake", "dvc"}


def pins(requirements):
    found = {}
    for requirement in requirements:
        name, versions = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
        found[name.replace("_", "-").lower()] = versions
    return found


def test_the_conda_environment_has_the_pins_of_the_project():
    wanted = {
        CONDA_NAMES.get(name, name): pin for name, pin in pins(PROJECT["dependencies"]).items() if name not in ENGINES
    }
    found = pins(yaml.safe_load((ROOT / "envs/regrow.yaml").read_text())["dependencies"])
    assert found.pop("python") == PROJECT["requires-python"]
    assert found == wanted


def test_the_environment_that_renders_sprites_has_the_same_pins():
    wanted = pins([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["emoji"]])
    wanted = {CONDA_NAMES.get(name, name): pin for name, pin in wanted.items()} | {
        "python": PROJECT["requires-python"],
        "pip": "",
    }
    *conda, pip = yaml.safe_load((ROOT / "envs/sprites.yaml").read_text())["dependencies"]
    found = pins([*conda, *pip["pip"]])
    assert "resvg-py" in found
    assert found == {name: wanted[name] for name in found}


def test_every_requirement_has_a_lower_and_an_upper_bound():
    for name, pin in pins([*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]).items():
        assert re.fullmatch(r">=[\d.]+,<[\d.]+", pin), name


def test_every_rule_that_runs_something_names_an_environment_that_exists():
    common = (ROOT / "workflow/rules/common.smk").read_text()
    usual = re.search(r'\bENVIRONMENT = .*?"([^"]+)"', common)[1]
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text()
        environments = re.findall(r"conda:\n +(.*)", text)
        assert len(environments) == len(re.findall(r"^    shell:", text, re.M)), path
        for environment in environments:
            file = usual if environment == "ENVIRONMENT" else environment.strip('"')
            assert (path.parent / file).is_file(), environment

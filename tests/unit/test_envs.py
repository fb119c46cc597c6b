"""pyproject.toml, the lock and the conda environment agree; the lock is resolved by tests/conda/test_lock.py."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
DIRECT = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
LOCK = (ROOT / "envs/lock.txt").read_text(encoding="utf-8")
FILES = {name: (ROOT / f"envs/{name}.yaml").read_text(encoding="utf-8") for name in ("regrow", "regrow_nudity")}
ENVIRONMENT = FILES["regrow"]


@pytest.fixture(scope="module")
def write_env():
    spec = importlib.util.spec_from_file_location("write_env", ROOT / "envs/write_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_has_a_lower_and_an_upper_bound_or_one_version():
    for requirement in DIRECT:
        assert re.fullmatch(r"[\w.-]+(>=[\d.]+,<[\d.]+|==[\d.]+)", requirement), requirement


def test_the_lock_has_a_version_within_every_bound(write_env):
    locked, _ = write_env.read_lock(LOCK)
    for wanted in map(Requirement, DIRECT):
        for line in locked[write_env.canonical(wanted.name)]:
            (pin,) = Requirement(line).specifier
            assert wanted.specifier.contains(pin.version), f"{line} is not {wanted}: run `make lock`"


def test_the_environments_are_made_from_the_lock(write_env):
    made = {name: write_env.environment(PROJECT, LOCK, extras) for name, extras in write_env.EXTRAS.items()}
    assert made == FILES, "run `make lock`"


def names_of(write_env, text):
    *_, pip = yaml.safe_load(text)["dependencies"]
    return {write_env.canonical(Requirement(line).name) for line in pip["pip"]}


def test_nudenet_is_in_the_environment_of_its_rules_alone(write_env):
    own, other = (names_of(write_env, FILES[name]) for name in ("regrow_nudity", "regrow"))
    assert {"nudenet", "onnxruntime", "opencv-python-headless"} <= own - other
    assert {"torch", "diffusers", "open-clip-torch"} <= own & other and {"clean-fid", "scipy"} <= other


def test_the_environment_has_what_rules_import_and_not_what_starts_them(write_env):
    python, installer, pip = yaml.safe_load(ENVIRONMENT)["dependencies"]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    assert installer == "pip"
    names = {write_env.canonical(Requirement(line).name) for line in pip["pip"]}
    wanted = {write_env.canonical(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert wanted - names == {"snakemake", "dvc"}
    assert names >= {"resvg-py", "nvidia-cublas", "huggingface-hub"}  # of the emoji world, of torch, of diffusers
    assert not names & {"pytest", "ruff", "pulp", "snakemake-executor-plugin-slurm", "dvc-data"}


def test_what_a_package_needs_comes_along_on_every_platform_that_needs_it(write_env):
    lock = """\
a==1
    # via regrow (pyproject.toml)
b-c==2 ; sys_platform == 'linux' and python_full_version < '3.15'
    # via a
d==3 ; sys_platform == 'win32'
    # via a
e==4 ; python_full_version < '3.12'
    # via
    #   b-c
    #   dvc
e==5 ; python_full_version >= '3.12'
    # via
    #   b-c
f==6
    # via dvc
"""
    project = {"dependencies": ["A>=1", "dvc>=1"], "optional-dependencies": {"emoji": []}}
    *_, pip = yaml.safe_load(write_env.environment(project, lock, ("emoji",)))["dependencies"]
    assert pip["pip"] == ["a==1", "b-c==2 ; sys_platform == 'linux'", "e==4"]


def test_a_build_for_another_cuda_brings_its_index(write_env):
    other = re.sub(r"^torch==\S+", "torch==2.14.1+cu126", LOCK, flags=re.M)
    assert other != LOCK
    *_, pip = yaml.safe_load(write_env.environment(PROJECT, other, ("fid",)))["dependencies"]
    assert re.fullmatch(r"--extra-index-url \S+/cu126", pip["pip"][0])
    assert "torch==2.14.1+cu126" in pip["pip"]


@pytest.mark.parametrize("text", [LOCK, *FILES.values(), PYPROJECT], ids=["lock", *FILES, "pyproject"])
def test_no_index_and_no_build_is_named(text):
    assert not re.search(r"://|--(extra-)?index|--find-links|==\S+\+", text)


def test_nothing_beside_the_environment_takes_its_place():
    # With a pin file Snakemake installs conda's packages of that file and none of pip's, without a word.
    assert {path.name for path in (ROOT / "envs").iterdir()} - {"__pycache__"} == {
        "lock.txt",
        "regrow.yaml",
        "regrow_nudity.yaml",
        "write_env.py",
    }
    # conda took `nodefaults` out of this list and is about to look for a channel of that name.
    assert all(yaml.safe_load(text)["channels"] == ["conda-forge"] for text in FILES.values())


def test_every_rule_that_runs_something_runs_in_an_environment():
    common = (ROOT / "workflow/rules/common.smk").read_text(encoding="utf-8")
    assert re.search(r'\bENVIRONMENT = .*"\.\./\.\./envs/regrow\.yaml"', common)
    assert 'NUDITY_ENVIRONMENT = "../../envs/regrow_nudity.yaml"' in common
    others = []
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        environments = re.findall(r"conda:\n +(.*)", text)
        assert len(environments) == len(re.findall(r"^    shell:", text, re.M)), path
        others += [one for one in environments if one != "ENVIRONMENT"]
    # What runs NudeNet: while it draws, and where scores of it are looked up.
    assert others == ["NUDITY_ENVIRONMENT", "in_memory.environment(ENVIRONMENT, NUDITY_ENVIRONMENT)"]

"""`snakemake --use-conda` for real: the environment is what the lock lists, and makes the same bytes."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conda.conftest import PINS, Conda, reason_to_skip
from tests.slurm.cluster import cluster, reason_to_refuse
from tests.workflow.conftest import NOTHING, Copy

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())
LIST = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
DAEMONS = f"{os.environ['PATH']}:/usr/sbin"
# Jobs of a node and, of the models, one that runs where Snakemake does; tests/slurm runs the whole workflow.
ON_A_CLUSTER = [
    "results/tiny/publish_model/pruned/church/model.safetensors",
    "results/tiny/generate_images/tiny/preserved/pretrained/0.parquet",
]


def products(copy: Copy) -> dict[str, bytes]:
    """Return what a run made, but for traces, which hold seconds, and the store, whose files bear numbers of processes.

    Images and scores count all the same: indexes hold their digests.
    """
    folder = copy.folder / "results"
    paths = [path for path in folder.rglob("*") if path.is_file() and not {"store", "trace.parquet"} & set(path.parts)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_environment_has_what_the_lock_lists_and_nothing_else(installed: Copy, conda: Conda) -> None:
    python = conda.environment / "bin/python"
    found = json.loads(subprocess.run([python, "-c", LIST], capture_output=True, check=True).stdout)
    found = {canonicalize_name(name): version for name, version in found.items()}
    assert found.pop("pip")
    here = [pin for pin in map(Requirement, PINS) if not pin.marker or pin.marker.evaluate()]
    assert set(found) == {canonicalize_name(pin.name) for pin in here}
    assert [str(pin) for pin in here if not pin.specifier.contains(found[canonicalize_name(pin.name)])] == []
    assert subprocess.run([python, "-m", "pip", "check"], check=False).returncode == 0


def test_the_workflow_makes_the_same_bytes(plain: Copy, installed: Copy, conda: Conda, tmp_path: Path) -> None:
    copy = installed.copied(tmp_path / "repository")
    said = copy.snakemake("tables", *conda.use)
    assert "Activating conda environment" in said
    made = products(copy)
    assert len(copy.tables()) == 2 and len(made) > 15
    assert made == products(plain)


def test_with_conda_there_is_nothing_to_do_after_a_run_without(plain: Copy, installed: Copy, conda: Conda) -> None:
    assert NOTHING in replace(plain, commands=installed.commands).snakemake("tables", "--dry-run", *conda.use)


def test_jobs_import_from_the_environment(installed: Copy, conda: Conda, tmp_path: Path) -> None:
    copy = installed.copied(tmp_path / "repository")
    (package,) = conda.environment.glob("lib/python3*/site-packages/pydantic")
    hidden = package.rename(package.with_name("hidden"))
    try:
        said = copy.snakemake("results/tiny/index_world/world.json", *conda.use, fails=True)
    finally:
        hidden.rename(package)
    assert "No module named 'pydantic'" in said


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("  - pip\n", "  - no-such-package\n  - pip\n", "No candidates were found for no-such-package"),
        ("rich==", "no-such-package==1.0\n      - rich==", "No matching distribution found for no-such-package==1.0"),
        ("rich==", "rich==0.0.", "No matching distribution found for rich==0.0."),
        ("  - conda-forge\n", "  - conda-forge\n  - nodefaults\n", "nodefaults"),
    ],
    ids=["package of conda", "package of pip", "version", "channel"],
)
def test_what_cannot_be_installed_stops_the_run(
    installed: Copy, conda: Conda, tmp_path: Path, right: str, wrong: str, message: str
) -> None:
    copy = installed.copied(tmp_path / "repository")
    file = copy.folder / "envs/regrow.yaml"
    file.write_text(file.read_text().replace(right, wrong, 1))
    said = copy.snakemake("tables", *conda.use, fails=True)
    assert message in said.partition("Output:")[2]
    assert not (copy.folder / "results").exists()


def reason_for_no_cluster() -> str | None:
    if os.getuid() != 0:
        return "only root can start Slurm's daemons"
    if not all(shutil.which(daemon, path=DAEMONS) for daemon in ("slurmctld", "slurmd", "munged")):
        return "Slurm is not installed: make test-slurm does it"
    return reason_to_refuse()


def test_jobs_of_a_cluster_make_the_same_bytes(
    plain: Copy,
    installed: Copy,
    conda: Conda,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if reason := reason_for_no_cluster():
        pytest.skip(reason)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    copy = installed.copied(tmp_path / "repository")
    submit = ["--profile", "profiles/slurm", "--jobs", "3", "--latency-wait", "5"]
    submit += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"]
    with cluster(tmp_path_factory.mktemp("slurm")):
        copy.run("snakemake", *ON_A_CLUSTER, *submit, *conda.use)
    made = products(copy)
    assert {f"results/{name}" for name in made} > set(ON_A_CLUSTER)
    assert made.items() <= products(plain).items()

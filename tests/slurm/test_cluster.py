"""The tiny workflow through profiles/slurm on a real Slurm: jobs are killed, tables are those of a local run."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.slurm.cluster import cluster
from tests.workflow.conftest import Copy, environment, fresh, preloaded_commands  # noqa: F401  # fixtures

pytestmark = pytest.mark.skipif(
    os.environ.get("REGROW_TEST_SLURM") != "1", reason="on a Slurm cluster that make test-slurm starts (root, Debian)"
)
# Few jobs at a time, for the machine has less than its node says. The plugin looks after 3 s, 13 s later, 23 s later:
# a job of the tiny world takes about 12 s.
SUBMIT = ["--profile", "profiles/slurm", "--jobs", "3", "--latency-wait", "5"]
SUBMIT += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"]
TABLES = ["roots/table1", "ours/signs"]
TARGET = "results/tiny/erase_concept/conceptprune/church/erased.safetensors"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def small(fresh: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:  # noqa: F811
    """One concept and a few tables; images take long enough to be interrupted."""
    copy = fresh.copied(tmp_path_factory.mktemp("small") / "repository")
    copy.edit_audit(concepts=["church"], attacks=["roots_max"], oracles=[], tables=TABLES)
    copy.edit_params(generate_images__steps=20)
    return copy


@pytest.fixture(scope="module")
def local(small: Copy, preloaded_commands: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:  # noqa: F811
    copy = replace(small.copied(tmp_path_factory.mktemp("local") / "repository"), commands=preloaded_commands)
    copy.snakemake("tables")
    return copy


def submit(copy: Copy, *arguments: str, **variables: str) -> subprocess.Popen:
    """Start Snakemake with the profile; what it says goes to submit.log."""
    command = [sys.executable, "-m", "snakemake", *SUBMIT, *arguments]
    with (copy.folder / "submit.log").open("w") as log:
        settings = {**environment(copy.folder), **variables}
        return subprocess.Popen(command, cwd=copy.folder, env=settings, stdout=log, stderr=subprocess.STDOUT)


def finish(run: subprocess.Popen, copy: Copy) -> str:
    run.wait(timeout=900)
    return (copy.folder / "submit.log").read_text()


def job_of(process: int) -> str:
    """Return the Slurm job of a process."""
    words = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return next(word.removeprefix("SLURM_JOB_ID=") for word in words if word.startswith("SLURM_JOB_ID="))


def process_of(copy: Copy, run: subprocess.Popen, verb: str, but: int = 0) -> int:
    """Wait for a process of a stage, and return it."""
    while True:
        assert run.poll() is None, (copy.folder / "submit.log").read_text()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                ours = words[1:4] == [b"-m", b"regrow", verb.encode()]
                if ours and Path(os.readlink(path / "cwd")) == copy.folder and int(path.name) != but:
                    return int(path.name)
            except OSError:  # it ended meanwhile
                continue
        time.sleep(0.05)


def wait_for_images_of(copy: Copy, run: subprocess.Popen, process: int) -> None:
    """Wait until a process has written a batch; shards bear the number of the process that writes them."""
    while not list((copy.folder / "results/tiny/store/images").rglob(f"*-{process}-*.arrow")):
        assert run.poll() is None and Path(f"/proc/{process}").exists()
        time.sleep(0.02)


def submitted(comment: str) -> list[dict[str, str]]:
    """Return what Slurm knows of jobs, in the order of their numbers, by the rule in their comment."""
    command = ["scontrol", "show", "job", "--oneliner"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    jobs = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return sorted((job for job in jobs if comment in job.get("Comment", "")), key=lambda job: int(job["JobId"]))


def test_killed_jobs_are_tried_again_and_the_tables_are_those_of_a_local_run(
    node: None, small: Copy, local: Copy, tmp_path: Path
) -> None:
    copy = small.copied(tmp_path / "repository")
    run = submit(copy, "tables")
    try:
        cancelled = job_of(process_of(copy, run, "complete_weights"))
        subprocess.run(["scancel", cancelled], check=True)
        killed = process_of(copy, run, "generate_images")
        os.kill(killed, signal.SIGKILL)
        warned = process_of(copy, run, "generate_images", but=killed)
        wait_for_images_of(copy, run, warned)
        subprocess.run(["scancel", "--signal=USR1", job_of(warned)], check=True)
        said = finish(run, copy)
    finally:
        run.kill()
    assert run.returncode == 0, said
    assert copy.tables() == local.tables() and len(local.tables()) == len(TABLES)
    assert said.count("Trying to restart job") == 3, said
    assert "stopped by SIGUSR1 after a whole batch" in said
    # Fetching, publishing and tables are no jobs of the cluster.
    rules = {re.sub("_wildcards.*", "", job["Comment"]) for job in submitted("rule_")}
    assert rules == {
        f"rule_{stage}"
        for stage in (
            *("index_world", "erase_concept", "complete_weights", "evaluate_recovery"),
            *("generate_images", "score_images"),
        )
    }
    first, again = [job for job in submitted("complete_weights") if job["Comment"] == comment_of(cancelled)]
    assert first["JobState"] == "CANCELLED" and again["JobState"] == "COMPLETED"
    assert megabytes(again) == pytest.approx(2 * megabytes(first), rel=0.01)
    assert first["Requeue"] == "1" and first["NumCPUs"] == "8" and first["Partition"] == "cpu"


def comment_of(number: str) -> str:
    return next(job["Comment"] for job in submitted("rule_") if job["JobId"] == number)


def megabytes(job: dict[str, str]) -> float:
    size, unit = re.fullmatch(r"([\d.]+)([MG])", job["MinMemoryNode"]).groups()
    return float(size) * (1024 if unit == "G" else 1)


def test_a_gpu_job_asks_for_a_gpu_and_says_what_the_node_lacks(node: None, small: Copy, tmp_path: Path) -> None:
    copy = small.copied(tmp_path / "repository")
    site = {"PARTITION": "cpu", "GPU_PARTITION": "gpu", "CONSTRAINT": "a100|h100", "SCRATCH": str(tmp_path / "scratch")}
    site = {f"REGROW_SLURM_{name}": value for name, value in site.items()}
    before = {job["JobId"] for job in submitted("rule_")}
    run = submit(copy, TARGET, "--config", "device=cuda", "--retries", "0", **site)
    said = finish(run, copy)
    assert run.returncode != 0
    assert "the device 'cuda' cannot be used here" in said
    world, erase = [job for job in submitted("rule_") if job["JobId"] not in before]
    assert world["Partition"] == "cpu" and "TresPerJob" not in world
    assert erase["Partition"] == "gpu" and erase["Features"] == "a100|h100"
    assert erase["TresPerJob"] == "gres:gpu:1" and erase["CpusPerTres"] == "gres:gpu:4"
    assert (tmp_path / "scratch").is_dir()  # Snakemake makes the folder for temporary files on the node

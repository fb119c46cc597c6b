"""A GPU per job: four toy jobs on two GPUs never meet on one, also when one of them is killed."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from regrow import gpus

ROOT = Path(__file__).parents[2]
# A job that takes a GPU, says from when to when it had it, and is killed the first time where `kill` says so.
TOY = """
import os, signal, sys, time
from pathlib import Path
from regrow.gpus import take_gpu

name, kill = sys.argv[1], sys.argv[2] == "kill" and not Path("killed").exists()
take_gpu("cuda")
gpu, start = os.environ["CUDA_VISIBLE_DEVICES"], time.monotonic()
if kill:
    Path("killed").write_text(gpu)
time.sleep(0.6)
with open("spans.txt", "a") as stream:
    stream.write(f"{gpu} {start} {time.monotonic()}\\n")
if kill:
    os.kill(os.getpid(), signal.SIGKILL)
Path(name).touch()
"""
SNAKEFILE = """
rule all:
    input:
        expand("{job}", job=["first", "second", "third", "fourth"]),

rule toy:
    output:
        "{job,first|second|third|fourth}",
    params:
        kill=lambda wildcards: "kill" if wildcards.job == config["kill"] else "run",
    resources:
        gpu=1,
    shell:
        "python toy.py {output} {params.kill}"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs, as its driver tells, and locks of its own."""
    driver = tmp_path / "bin/nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA A100 (UUID: x)'; echo 'GPU 1: NVIDIA A100 (UUID: y)'\n")
    driver.chmod(0o755)
    path = os.pathsep.join([str(driver.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    for name, value in {"PATH": path, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT / "workflow")}.items():
        monkeypatch.setenv(name, value)
    for name in (gpus.VISIBLE, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpus, "_taken", [])
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


@pytest.mark.parametrize("limit", [[], ["--resources", "gpu=4"]], ids=["by the profile", "by the lock alone"])
def test_four_jobs_on_two_gpus_never_meet_also_when_one_is_killed(machine: Path, limit: list[str]) -> None:
    # Without a limit of its own, the profile starts as many GPU jobs as there are GPUs, and starts a killed one again.
    profile = ["--profile", str(ROOT / "profiles/workstation")]
    command = [sys.executable, "-m", "snakemake", *profile, "--cores", "4", *limit, "--config", "kill=second"]
    done = subprocess.run(command, cwd=machine, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    spans = [line.split() for line in (machine / "spans.txt").read_text().splitlines()]
    assert len(spans) == 5  # the killed job ran twice
    assert Counter(gpu for gpu, _, _ in spans).keys() == {"0", "1"}
    for gpu in "01":
        mine = sorted((float(start), float(end)) for name, start, end in spans if name == gpu)
        assert all(end <= start for (_, end), (start, _) in zip(mine, mine[1:], strict=False)), spans


def take_in_a_process(machine: Path, device: str) -> subprocess.Popen:
    """Start a process that takes a GPU, says which it sees, and keeps it until its standard input ends."""
    code = "import logging, os, sys; logging.basicConfig(level=20); from regrow.gpus import take_gpu\n"
    code += f"take_gpu({device!r}); print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], cwd=machine, text=True, **pipes)


def test_a_gpu_that_the_user_names_is_waited_for(machine: Path) -> None:
    first = take_in_a_process(machine, "cuda:1")
    assert first.stdout.readline() == "None\n"  # its number stays what it is
    second = take_in_a_process(machine, "cuda:1")
    time.sleep(1)
    first.kill()
    assert second.stdout.readline() == "None\n"
    first.wait()
    _, told = second.communicate()
    assert f"waiting for a GPU; other jobs hold 1 (process {first.pid})" in told


def test_gpus_are_those_that_the_caller_names(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "2, GPU-8a,-1")
    assert gpus.visible_gpus() == ["2", "GPU-8a"]
    gpus.take_gpu("cuda")
    assert os.environ[gpus.VISIBLE] == "2"


def test_gpu_0_of_two_cluster_jobs_is_not_the_same(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "0")
    other = take_in_a_process(machine, "cuda")
    assert other.stdout.readline() == "0\n"
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    gpus.take_gpu("cuda")  # would wait for ever for the other job's
    other.communicate()


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:5"])
def test_nothing_is_taken_where_there_is_nothing(machine: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    if device == "cuda":
        monkeypatch.setenv("PATH", str(machine))
    gpus.take_gpu(device)
    assert gpus.VISIBLE not in os.environ and not list(machine.glob("regrow-gpus-*"))

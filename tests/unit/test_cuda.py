"""A GPU that cannot be used is told before a stage begins: which build, which driver it needs, which one is here."""

from pathlib import Path

import pytest
import torch

from regrow import cuda
from regrow.cli import run
from regrow.errors import UserError


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine where CUDA does not work, with the usual build and no driver, whatever this one has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "__version__", "2.14.1+cu130")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(cuda, "LOADED", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


def refusal(device: str = "cuda") -> str:
    with pytest.raises(UserError) as refused:
        cuda.check_cuda(device)
    return str(refused.value)


def test_a_driver_too_old_for_the_build_is_named(no_gpu: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "version").write_text("535.183.01\n")
    assert refusal("cuda:1") == (
        "the device 'cuda:1' cannot be used here: PyTorch 2.14.1+cu130, built for CUDA 13.0, needs an NVIDIA driver "
        "580 or newer, and this machine has 535.183.01: install a newer driver, or a build for an older CUDA; "
        "set device: cpu, or see docs/environments.md"
    )


def test_the_same_driver_is_new_enough_for_a_build_of_cuda_12(no_gpu: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "version").write_text("535.183.01\n")
    no_gpu.setattr(torch.version, "cuda", "12.6")
    assert "driver 525 or newer, which 535.183.01 is, but sees no GPU" in refusal()


def test_no_driver(no_gpu: pytest.MonkeyPatch) -> None:
    assert "needs an NVIDIA driver 580 or newer, and none is loaded" in refusal()


def test_the_driver_outside_a_virtual_machine_is_asked_for(no_gpu: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 550.54.14\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert "and this machine has 550.54.14" in refusal()


def test_a_build_without_cuda(no_gpu: pytest.MonkeyPatch) -> None:
    no_gpu.setattr(torch, "__version__", "2.14.1+cpu")
    no_gpu.setattr(torch.version, "cuda", None)
    assert "PyTorch 2.14.1+cpu is a build without CUDA: install one with CUDA" in refusal()


@pytest.mark.parametrize("device", ["cpu", "meta", "mps"])
def test_other_devices_need_no_driver(no_gpu: pytest.MonkeyPatch, device: str) -> None:
    cuda.check_cuda(device)


def test_a_stage_says_it_before_it_reads_a_file(
    no_gpu: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nothing = str(tmp_path / "nothing")
    words = ["complete_weights", "--model", nothing, "--method", "nuclear", "--options", "{}", "--out", nothing]
    words += ["--trace-out", nothing, "--seed", "0", "--device", "cuda", "--jobs", "1"]
    assert run(words) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the device 'cuda' cannot be used here: PyTorch") and said.count("\n") == 1


def test_the_driver_of_the_usual_build_is_the_one_in_the_documents() -> None:
    root = Path(__file__).parents[2]
    locked = (root / "envs/lock.txt").read_text()
    (major,) = {name for name in cuda.OLDEST_DRIVER if f"\nnvidia-cudnn-cu{name}==" in locked}
    assert f"driver {cuda.OLDEST_DRIVER[major]} or newer" in (root / "docs/environments.md").read_text()

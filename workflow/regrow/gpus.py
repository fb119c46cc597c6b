"""One job per GPU: a job takes a GPU that no other job on this machine holds, and waits while there is none."""

import fcntl
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS = 0.5  # between two looks for a free GPU

_taken: list[BinaryIO] = []  # open until this process ends, for a lock goes with its file


def take_gpu(device: str) -> None:
    """Take a GPU until this process ends, however it ends; call it before CUDA is used.

    ``cuda`` takes whichever is free and shows CUDA that one alone, ``cuda:1`` waits for that one. Nothing is taken for
    ``cpu`` or where no GPU is found: whoever uses the device then says what is wrong.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return
    gpus = visible_gpus()
    wanted = gpus[int(number) : int(number) + 1] if number else gpus
    if not wanted:
        return
    gpu = _wait_for_one(wanted)
    if not number:
        os.environ[VISIBLE] = gpu
    log.info("on GPU %s", gpu)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [name for word in named.split(",") if (name := word.strip()) not in ("", "-1")]
    try:
        # PyTorch counts them too, but may start CUDA to do so, which then does not look at the variable again.
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return []
    return [str(number) for number, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]


def _wait_for_one(gpus: Sequence[str]) -> str:
    waiting = False
    while True:
        holders = {}
        for gpu in gpus:
            file = _lock_file(gpu).open("a+b")
            if _lock(file):
                _taken.append(file)
                return gpu
            file.seek(0)
            holders[gpu] = file.read().decode() or "?"
            file.close()
        if not waiting:
            held = ", ".join(f"{gpu} (process {process})" for gpu, process in holders.items())
            log.info("waiting for a GPU; other jobs hold %s", held)
            waiting = True
        time.sleep(SECONDS)


def _lock(file: BinaryIO) -> bool:
    """Lock a file and write this process into it; return False where another process holds it.

    The lock is the process's own (POSIX), so the kernel frees it with the process, and no child keeps it.
    """
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX allows either answer
        return False
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return True


def _lock_file(gpu: str) -> Path:
    """Return the lock of a GPU; jobs of a cluster count theirs from 0 each, so those of another job are others."""
    folder = Path(tempfile.gettempdir()) / f"regrow-gpus-{os.getuid()}-{os.environ.get('SLURM_JOB_ID', 'all')}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / gpu.replace("/", "_")

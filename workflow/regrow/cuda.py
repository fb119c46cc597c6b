"""Whether PyTorch's build can use the GPUs of this machine: the driver decides (docs/environments.md)."""

import subprocess
import warnings
from pathlib import Path

import torch

from regrow.errors import UserError

# The oldest driver for any release of CUDA of a major version (NVIDIA, CUDA Compatibility, table 1).
OLDEST_DRIVER = {"11": 450, "12": 525, "13": 580}
MEND = "set device: cpu, or see docs/environments.md"
LOADED = Path("/sys/module/nvidia/version")


def check_cuda(device: str) -> None:
    """Make sure that CUDA can be used when the device is ``cuda`` or ``cuda:1``; other devices pass.

    Raises
    ------
    UserError
        Names PyTorch's build, the driver that it needs and the driver that is here.
    """
    if device.partition(":")[0] != "cuda" or _is_available():
        return
    build = torch.version.cuda
    if build is None:
        why = f"PyTorch {torch.__version__} is a build without CUDA: install one with CUDA"
    else:
        why = f"PyTorch {torch.__version__}, built for CUDA {build}, {_why_not(build, driver_version())}"
    raise UserError(f"the device '{device}' cannot be used here: {why}; {MEND}")


def _is_available() -> bool:
    with warnings.catch_warnings(action="ignore"):  # PyTorch warns of an old driver, at length
        return torch.cuda.is_available()


def _why_not(build: str, driver: str | None) -> str:
    oldest = OLDEST_DRIVER.get(build.partition(".")[0])
    needs = f"needs an NVIDIA driver {oldest} or newer" if oldest else "needs an NVIDIA driver"
    if driver is None:
        return f"{needs}, and none is loaded: install one, or start the job where a GPU is"
    if oldest and int(driver.partition(".")[0]) < oldest:
        return f"{needs}, and this machine has {driver}: install a newer driver, or a build for an older CUDA"
    return f"{needs}, which {driver} is, but sees no GPU: ask for one, or look at CUDA_VISIBLE_DEVICES"


def driver_version() -> str | None:
    """Return the version of the NVIDIA driver, such as ``535.183.01``, or None where none is loaded."""
    if LOADED.is_file():
        return LOADED.read_text(encoding="ascii").strip()
    # Under WSL the driver is outside Linux.
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return found.stdout.splitlines()[0].strip() if found.returncode == 0 and found.stdout else None

"""Time the workflow of `make demo` alone, in a fresh clone: wall seconds, and CPU seconds of all that it starts.

    python benchmarks/demo.py [--audit demo] [--cores all] [--keep FOLDER]

The clone is of what is committed here. Then it runs again, with nothing to do, and says whether git sees a change. The
virtual environment is that of the Python that runs this; making one is not timed.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """Return the caller's environment without what would reach into the clone."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") and key != "PYTHONPATH"}
    return {**kept, "MPLBACKEND": "agg", "PYTHONPATH": ""}


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder; return its wall seconds and the CPU seconds of it and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode()[-4000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Clone, run twice, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audit", default="demo")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--keep", type=Path, help="clone into this new folder and leave it there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clone = args.keep or Path(temporary) / "clone"
        git = ["git", "clone", "--quiet", "--no-local", str(ROOT), str(clone)]
        subprocess.run(git, check=True, env=environment())
        command = [sys.executable, "-m", "snakemake", "--cores", args.cores, "--config", f"audit={args.audit}"]
        for what in ("from nothing", "nothing to do"):
            wall, cpu = timed(command, clone)
            print(f"{what:14} {wall:8.1f} s wall  {cpu:8.1f} s CPU  {os.cpu_count()} cores", flush=True)
        status = ["git", "status", "--porcelain"]
        changed = subprocess.run(status, cwd=clone, env=environment(), check=True, capture_output=True, text=True)
        print(f"git status: {changed.stdout.strip() or 'clean'}")


if __name__ == "__main__":
    main()

"""Ask whether the image store costs what its images weigh: bytes written, peak memory, seconds to open it again.

    python benchmarks/image_store.py [--rows 2000 20000] [--kilobytes 400] [--batch 25] [--folder FOLDER]

Each number of rows is written, found again and read through by a process of its own, in a new folder. A row is a key,
a digest and random bytes in place of a PNG file, which is as little compressible. A line of JSON per number of rows:

written    bytes that the process wrote by the system's count, per byte of the shards (null where /proc does not tell)
overhead   bytes of the shards per byte of the images
peak       the process's largest resident memory in MB, of which `before` was there before the first row; it counts
           pages of mapped shards, which the system takes back when it needs them
own        the largest memory in MB that is the process's own, without such pages (null where /proc does not tell)
seconds    to write, to find all keys in a store that is opened again, and to read all images, digests checked
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def measure(folder: Path, rows: int, kilobytes: int, batch: int) -> dict[str, float | int | None]:
    """Write, find and read `rows` images in this process."""
    from regrow.images.store import ImageStore

    store, size, own = ImageStore(folder), kilobytes * 1000, OwnMemory()
    own.start()
    before, started, written = _peak(), time.perf_counter(), _written()
    wanted: list[tuple[str, str]] = []
    with store.writer("model", {}) as writer:
        for first in range(0, rows, batch):
            part = [(f"{number:064d}", os.urandom(size)) for number in range(first, min(first + batch, rows))]
            wanted += writer.write(part).items()
    bytes_written = None if written is None else (_written() or 0) - written
    write_seconds, started = time.perf_counter() - started, time.perf_counter()
    assert ImageStore(folder).find("model", [key for key, _ in wanted]) == dict(wanted)
    find_seconds, started = time.perf_counter() - started, time.perf_counter()
    assert sum(len(image.png) for image in ImageStore(folder).read("model", wanted)) == rows * size
    shards = sum(path.stat().st_size for path in folder.rglob("*.arrow"))
    return {
        "rows": rows,
        "megabytes": round(shards / 1e6, 1),
        "written": None if bytes_written is None else round(bytes_written / shards, 4),
        "overhead": round(shards / (rows * size), 4),
        "before": round(before),
        "peak": round(_peak()),
        "own": own.stop(),
        "write_seconds": round(write_seconds, 2),
        "find_seconds": round(find_seconds, 3),
        "read_seconds": round(time.perf_counter() - started, 2),
    }


class OwnMemory(threading.Thread):
    """Watch how much memory is the process's own, twenty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._largest, self._over = 0, threading.Event()

    def run(self) -> None:
        """Keep the largest value."""
        while not self._over.wait(0.05):
            found = re.search(r"^RssAnon:\s+(\d+) kB", _read("/proc/self/status"), re.M)
            self._largest = max(self._largest, int(found[1]) if found else 0)

    def stop(self) -> int | None:
        """Return the largest value in MB."""
        self._over.set()
        return round(self._largest / 1024) or None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _written() -> int | None:
    """Return the bytes that this process asked to write since it began."""
    try:
        counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    except OSError:
        return None
    return int(counts["wchar"])


def main() -> None:
    """Measure each number of rows in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--kilobytes", type=int, default=400)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--folder", type=Path, help="where there is room for the largest; a temporary one without it")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for rows in args.rows:
        folder = Path(tempfile.mkdtemp(dir=args.folder))
        try:
            if args.here:
                print(json.dumps(measure(folder, rows, args.kilobytes, args.batch)), flush=True)
            else:
                options = ["--rows", rows, "--kilobytes", args.kilobytes, "--batch", args.batch, "--folder", folder]
                subprocess.run([sys.executable, __file__, "--here", *map(str, options)], check=True)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Start the server of preloaded processes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from tests.preloaded.client import SERVED

HERE = Path(__file__).parent
COMMANDS = ("python", *SERVED)


@contextmanager
def preloaded(home: Path) -> Iterator[Path]:
    """Yield a folder of commands for the PATH that run in forks of one process; `home` is new and of a short name."""
    (home / "bin").mkdir()
    for name in COMMANDS:
        path = home / "bin" / name
        words = [sys.executable, "-IS", str(HERE / "client.py"), str(home / "socket"), sys.executable, name]
        path.write_text(f'#!/bin/sh\nexec {" ".join(map(quote, words))} "$@"\n')
        path.chmod(0o755)
    command = [sys.executable, "-I", "-X", "utf8", str(HERE / "server.py"), str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as server:
        try:
            while not (home / "socket").exists():
                assert server.poll() is None, "the server of preloaded processes did not start"
                time.sleep(0.05)
            yield home / "bin"
        finally:
            assert server.stdin is not None
            server.stdin.close()

"""Fork a process for every command that a client asks for; all libraries are imported, and nothing of this package.

The arguments: folder of the socket and of the commands. It ends when its standard input is closed. What differs from a
process of its own: the interpreter's flags, and that libraries read the environment when this server started.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Libraries of many modules hide most of them behind names, so the names that the stages use are asked for.
LIBRARIES = {
    "accelerate": [],
    "diffusers": ["AutoencoderKL", "DDIMScheduler", "StableDiffusionPipeline", "UNet2DConditionModel"],
    "diffusers.models.activations": [],
    "dvc.cli": [],
    "dvc.commands.repro": [],
    "dvc.commands.status": [],
    "dvc.repo": [],
    "fontTools.ttLib": [],
    "jinja2": [],
    "matplotlib.backends.backend_agg": [],
    "matplotlib.backends.backend_pdf": [],
    "matplotlib.figure": [],
    "matplotlib.style": [],
    "numpy.ctypeslib": [],
    "open_clip": [],
    "pandas": [],
    "pyarrow.dataset": [],
    "pyarrow.pandas_compat": [],
    "pyarrow.parquet": [],
    "pydantic": [],
    "rich.progress": [],
    "safetensors.torch": [],
    "snakemake.cli": [],
    "snakemake.report.html_reporter": [],
    "torch": [],
    "torchvision.transforms.v2": [],
    "transformers": ["CLIPTextModel", "CLIPTokenizer"],
}


@dataclass(frozen=True)
class Request:
    """A command: `words` begin with the module's name."""

    words: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


@dataclass(frozen=True)
class Job:
    """A process that runs for a client; `life` can be read when it has ended."""

    process: int
    client: socket.socket
    life: int


def main() -> None:
    """Serve; what comes back from that is a new process, which runs its command."""
    home, status = Path(sys.argv[1]), [1]
    atexit.register(leave, status)  # the first to be registered is the last to be called
    for library, names in LIBRARIES.items():
        module = importlib.import_module(library)
        for name in names:
            getattr(module, name)
    assert not [name for name in sys.modules if name.partition(".")[0] in ("regrow", "tests")]
    gc.collect()
    gc.freeze()  # a collection in a child would copy all these pages
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "starting"))
        listener.listen(64)
        (home / "starting").rename(home / "socket")
        request = serve(listener)
    become(request, home)
    try:
        runpy.run_module(request.words[0], run_name="__main__", alter_sys=True)
        status[0] = 0
    except SystemExit as done:
        status[0] = done.code if isinstance(done.code, int) else int(done.code is not None)
        if isinstance(done.code, str):
            sys.stderr.write(f"{done.code}\n")


def leave(status: list[int]) -> None:
    """End without taking all libraries down, which would copy their memory first."""
    sys.stdout.flush()
    os._exit(status[0])


def serve(listener: socket.socket) -> Request:
    """Fork until standard input ends; return only in a fork, with what it has to do."""
    running: set[Job] = set()
    with selectors.DefaultSelector() as ready:
        ready.register(listener, selectors.EVENT_READ)
        ready.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj == 0:
                    for job in running:
                        os.killpg(job.process, signal.SIGKILL)
                    os._exit(0)
                elif key.fileobj is listener:
                    client = listener.accept()[0]
                    request = receive(client)
                    life, alive = os.pipe()
                    process = os.fork()
                    os.setpgid(process, process or os.getpid())  # by both, whoever comes first
                    if process == 0:  # `alive` stays open as long as this process lives
                        for entry in ready.get_map().values():
                            close(entry.fileobj)
                        client.close()
                        return request
                    for file in (alive, *request.files):
                        os.close(file)
                    job = Job(process, client, life)
                    running.add(job)
                    ready.register(client, selectors.EVENT_READ, job)
                    ready.register(life, selectors.EVENT_READ, job)
                elif key.data in running:  # else both of its files were ready at once
                    running.remove(key.data)
                    for file in (key.data.client, key.data.life):
                        ready.unregister(file)
                    end(key.data, killed=key.fileobj is key.data.client)


def receive(client: socket.socket) -> Request:
    """Read what a client asks for: its length and three open files, then JSON."""
    size, files, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as stream:
        text = stream.read(int.from_bytes(size, "big"))
    return Request(files=list(files), **json.loads(text))


def end(job: Job, killed: bool) -> None:
    """Wait for the end of a job, whose client is told; a client that was killed takes its job with it."""
    if killed:
        os.killpg(job.process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(job.process, 0)[1])
    with suppress(BrokenPipeError):
        job.client.send(bytes([status if status >= 0 else 128 - status]))  # as a shell says it
    close(job.client)
    close(job.life)


def close(file: Any) -> None:
    if isinstance(file, int):
        os.close(file)
    else:
        file.close()


def become(request: Request, home: Path) -> None:
    """Take over the client's files, folder, environment and words."""
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    # The old ones remember what kind of file they wrote to.
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    # Snakemake puts the folder of its Python first in the path, and `regrow adopt` starts others by it.
    sys.executable = str(home / "bin/python")
    sys.argv = request.words
    sys.path[:0] = [request.folder, *filter(None, request.environment.get("PYTHONPATH", "").split(os.pathsep))]


if __name__ == "__main__":
    main()

"""A preloaded command is a process like its own: its status, words, folder, environment and end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, environment

# Stands for the package, which the commands know by name.
SCRIPT = """
import os, signal, sys, time, pathlib
assert "torch" in sys.modules and "regrow" not in sys.modules
if sys.argv[1] == "wait":
    pathlib.Path("started").write_text(str(os.getpid()))
    time.sleep(600)
if sys.argv[1] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
print(sys.argv[1:], pathlib.Path.cwd().name, os.environ["SAID"], sys.stdin.read())
sys.exit(sys.argv[1])
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "regrow.py").write_text(SCRIPT)
    return tmp_path


def start(folder: Path, commands: Path, *words: str) -> subprocess.Popen:
    variables = {**environment(ROOT, commands), "PYTHONPATH": str(folder), "SAID": "a word"}
    pipe = subprocess.PIPE
    command = ["python", "-m", "regrow", *words]
    return subprocess.Popen(command, cwd=folder, env=variables, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def test_words_folder_environment_and_files_are_the_callers(folder, preloaded_commands):
    printed, error = start(folder, preloaded_commands, "a b", "ü").communicate("from here")
    assert printed == f"['a b', 'ü'] {folder.name} a word from here\n" and error == "a b\n"


def test_the_status_is_that_of_the_command(folder, preloaded_commands):
    for words, status in ((["die"], 128 + signal.SIGKILL), ([], 1), (["failed"], 1)):
        run = start(folder, preloaded_commands, *words)
        run.communicate("")
        assert run.returncode == status


def test_a_command_that_is_killed_takes_its_process_with_it(folder, preloaded_commands):
    with start(folder, preloaded_commands, "wait") as run:
        while not (process := (folder / "started").read_text() if (folder / "started").exists() else ""):
            assert run.poll() is None
            time.sleep(0.02)
        run.kill()
    for _ in range(500):
        if not Path(f"/proc/{process}").exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{process} still runs")


def test_any_other_use_of_python_is_the_real_one(folder, preloaded_commands):
    command = [preloaded_commands / "python", "-c", "import sys; print(sys.executable, 'torch' in sys.modules)"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    assert printed == f"{sys.executable} False\n"

"""A scheduler that asks for its machine back gets it after a whole batch, and the job goes on from there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regrow.images.shards import scan
from regrow.preemption import EXIT, EndAfterBatch
from tests.unit.drawing import NUMERICS, draw, job, write_drawn_world

ROOT = Path(__file__).parents[2]
SLOW = {"steps": 8, "guidance": 3.0}


def test_a_drawing_job_that_is_asked_to_end_loses_nothing(tmp_path: Path) -> None:
    world = write_drawn_world(tmp_path / "world")
    out, store = tmp_path / "index.parquet", world.parent / "store"
    flags = {"world": world, "job": json.dumps(job()), "store": store, "sampler": json.dumps(SLOW), "out": out}
    flags |= {"numerics": json.dumps(NUMERICS), "batch": 1, "device": "cpu"}
    flags |= {"attention-slicing": "false", "cpu-offload": "false"}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    running = subprocess.Popen(
        [sys.executable, "-m", "regrow", "generate_images", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(store.rglob("*.arrow")):  # the first batch is written
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=120)
    assert running.returncode == EXIT
    assert "stopped by SIGTERM after a whole batch" in told and not out.exists()
    (folder,) = (store / "images").iterdir()
    kept = [row["key"] for _, row in scan(folder, ["key"])]
    assert 0 < len(kept) < 6
    index = draw(world, out, sampler=SLOW, batch=1)
    assert len(index.rows) == 6
    assert len([row for _, row in scan(folder, ["key"])]) == 6  # nothing was drawn twice


def test_handlers_are_put_back_and_without_a_signal_nothing_ends() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    with EndAfterBatch() as ending:
        ending.check()
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(SystemExit) as ended:
            ending.check()
    assert ended.value.code == EXIT
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before

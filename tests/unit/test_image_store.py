"""The store keeps every whole batch whatever happens to its writer, and hands out nothing that is damaged."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from regrow.errors import UserError
from regrow.images.shards import SUFFIX, ShardWriter, scan
from regrow.images.store import ImageStore, ScoreStore, png_digest

MODEL = "m"
BATCHES = [[(f"{batch}{row}", os.urandom(50)) for row in range(3)] for batch in range(4)]
PAIRS = [(key, png_digest(png)) for batch in BATCHES for key, png in batch]
KEYS = [key for key, _ in PAIRS]

ENDLESS = """
import itertools, sys
from pathlib import Path
from regrow.images.store import ImageStore
with ImageStore(Path(sys.argv[1])).writer("m", {}) as writer:
    for number in itertools.count():
        writer.write([(f"{number}-{row}", b"x" * 1000) for row in range(4)])
        print(number, flush=True)
"""


def fill(store: ImageStore, batches: Sequence[Sequence[tuple[str, bytes]]] = BATCHES) -> None:
    with store.writer(MODEL, {"device": "cpu"}) as writer:
        for batch in batches:
            assert writer.write(batch) == {key: png_digest(png) for key, png in batch}


def shard_of(folder: Path) -> Path:
    (shard,) = (folder / MODEL).glob(f"*{SUFFIX}")
    return shard


def test_what_is_written_is_found_and_read_in_any_order(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    assert store.find(MODEL, KEYS) == {}
    fill(store)
    assert store.find(MODEL, [*KEYS, "absent"]) == dict(PAIRS)
    images = dict(pair for batch in BATCHES for pair in batch)
    for wanted in (PAIRS, PAIRS[::-1], PAIRS[::2] + PAIRS[:1] + PAIRS[:1]):
        assert [(image.key, image.digest, image.png) for image in store.read(MODEL, wanted)] == [
            (key, digest, images[key]) for key, digest in wanted
        ]
    assert store.find("another", KEYS) == {}


def test_a_torn_tail_costs_one_batch(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    fill(store)
    shard = shard_of(tmp_path)
    whole, found = shard.read_bytes(), []
    for length in range(0, len(whole), 7):
        shard.write_bytes(whole[:length])
        keys = store.find(MODEL, KEYS)
        assert list(keys) == KEYS[: len(keys)]
        assert len(keys) % 3 == 0, "batches are whole or absent"
        assert len(list(store.read(MODEL, [pair for pair in PAIRS if pair[0] in keys]))) == len(keys)
        found.append(len(keys))
    assert found == sorted(found)
    assert set(found) == {0, 3, 6, 9, 12}
    fill(store, BATCHES[2:])  # the next job writes a file of its own
    assert store.find(MODEL, KEYS) == dict(PAIRS)


def test_a_killed_writer_loses_no_batch_that_it_reported(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(20):
        last = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    keys = [f"{number}-{row}" for number in range(last + 1) for row in range(4)]
    assert list(ImageStore(tmp_path).find(MODEL, keys)) == keys


def test_a_key_that_two_jobs_drew_stands_twice_and_is_harmless(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    fill(store)
    other = [(KEYS[0], b"an image that differs by a grey level")]
    fill(store, [other])
    assert store.find(MODEL, KEYS) == dict(PAIRS), "the first is the one that counts"
    both = [PAIRS[0], (KEYS[0], png_digest(other[0][1]))]
    assert [image.digest for image in store.read(MODEL, both)] == [digest for _, digest in both]


def test_a_hole_is_named_with_its_mend(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    fill(store, BATCHES[:1])
    with pytest.raises(UserError, match="lacks 9 images that an index names .*--forcerun generate_images"):
        list(store.read(MODEL, PAIRS))


def test_a_damaged_image_is_not_handed_out(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    fill(store)
    shard = shard_of(tmp_path)
    content, png = bytearray(shard.read_bytes()), BATCHES[1][0][1]
    content[content.index(png) + 10] ^= 1
    shard.write_bytes(content)
    reader = store.read(MODEL, PAIRS)
    assert [next(reader).key for _ in range(3)] == KEYS[:3]
    with pytest.raises(UserError, match=r"holds a damaged image .* delete that file and run"):
        next(reader)


def test_damaged_bytes_are_told_or_absent_and_never_crash(tmp_path: Path) -> None:
    store, chance = ImageStore(tmp_path), random.Random(0)
    fill(store)
    shard = shard_of(tmp_path)
    whole = shard.read_bytes()
    told = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 4, 20])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        shard.write_bytes(content)
        found = store.find(MODEL, KEYS)
        try:
            for image in store.read(MODEL, [(key, digest) for key, digest in PAIRS if found.get(key) == digest]):
                assert png_digest(image.png) == image.digest
        except UserError:
            told += 1
    assert told > 10


def test_the_same_batches_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        fill(ImageStore(tmp_path / name))
    assert shard_of(tmp_path / "a").read_bytes() == shard_of(tmp_path / "b").read_bytes()


def test_without_a_batch_there_is_no_shard(tmp_path: Path) -> None:
    fill(ImageStore(tmp_path), [])
    assert list(tmp_path.rglob(f"*{SUFFIX}")) == []


def test_scores_are_found_by_key(tmp_path: Path) -> None:
    columns = pa.schema([("top1", pa.string()), ("top5", pa.list_(pa.string()))])
    scores = ScoreStore(tmp_path, columns)
    with scores.writer(MODEL, {}) as writer:
        writer.write(
            [{"key": "a", "top1": "cat", "top5": ["cat", "dog"]}, {"key": "b", "top1": "dog", "top5": ["dog"]}]
        )
    assert scores.find(MODEL, ["a", "c"]) == {"a": {"top1": "cat", "top5": ["cat", "dog"]}}


def test_scores_of_a_judge_with_other_columns_are_passed_over(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / MODEL, pa.schema([("key", pa.string()), ("old", pa.string())]), {}) as writer:
        writer.write([{"key": "a", "old": "cat"}])
    scores = ScoreStore(tmp_path, pa.schema([("top1", pa.string())]))
    assert scores.find(MODEL, ["a"]) == {}
    assert [row for _, row in scan(tmp_path / MODEL, ("old",))] == [{"old": "cat"}]


def test_memory_is_flat_and_bytes_are_linear() -> None:
    script = Path(__file__).parents[2] / "benchmarks/image_store.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1] / "workflow")}
    done = subprocess.run(
        [sys.executable, str(script), "--rows", "50", "500", "--kilobytes", "200"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    few, many = map(json.loads, done.stdout.splitlines())
    assert many["rows"] == 500
    assert many["overhead"] < 1.05
    assert many["written"] is None or many["written"] < 1.05
    assert many["peak"] - few["peak"] < 30, "90 MB more were written and read"

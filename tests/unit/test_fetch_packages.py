"""A wheel as a file of a world: fetched by pip, checked by its digest, never installed."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.io.files import file_digest
from regrow.judges import read_protocol
from regrow.stages.fetch_world import run
from tests.hub.isolation import isolate

WHEEL = "regrow_sample-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of a package index."""
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("regrow_sample/best.onnx", b"a network")
        wheel.writestr(
            "regrow_sample-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: regrow-sample\nVersion: 1.0\n"
        )
        wheel.writestr("regrow_sample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("regrow_sample-1.0.dist-info/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def fetch(index: Path, **changes: Any) -> Path:
    judge = {"type": "nudenet", "version": "3.0.8", "weights": WHEEL, "channels": "as_released"}
    origin = {"package": "regrow-sample==1.0", "licence": "MIT", "files": {WHEEL: file_digest(index / WHEEL)}}
    run({"detector": {**origin, "judge": judge, **changes}}, "sample", Path("lock.json"), Path("out/fetched.json"))
    return Path("out/detector")


def test_a_wheel_is_fetched_by_its_digest(index: Path) -> None:
    folder = fetch(index)
    assert sorted(path.name for path in folder.iterdir()) == ["judge.yaml", WHEEL]
    assert (folder / WHEEL).read_bytes() == (index / WHEEL).read_bytes()
    assert read_protocol(folder).digests() == {"weights": file_digest(index / WHEEL)}


def test_a_folder_that_has_it_is_asked_first(index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGROW_FETCH_FROM", str(index))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert (fetch(index) / WHEEL).is_file()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"package": "regrow-sample==2.0"},
            r"pip cannot fetch regrow-sample==2.0 \(.*\): run where there is a network",
        ),
        (
            {"files": {"other-1.0.whl": None}},
            "pip fetched regrow_sample-1.0.* where the world file names other-1.0.whl",
        ),
        ({"files": {WHEEL: "0" * 64}}, "where the world file pins 000000000000"),
        ({"files": {"best.onnx": None}}, "of a package the one file is its wheel"),
        ({"url": "https://example.org/x"}, "give either repo and revision, or url, or package"),
        ({"package": "--index-url=x"}, "package is '--index-url=x'"),
    ],
)
def test_what_cannot_be_fetched(index: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        fetch(index, **changes)
    assert not Path("out/detector").exists()

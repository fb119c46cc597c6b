"""Photographs that sets are compared with: fetched once, resumed, or taken from where they are; none may be missing."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from regrow.errors import UserError
from regrow.fetch.photographs import Photographs
from regrow.io.files import read_json
from regrow.stages.fetch_reference import KIND, MIRROR, run
from tests.hub.isolation import isolate
from tests.hub.server import Hub, Repository, serve

MEMBER = "val2014/COCO_val2014_{id:012d}.jpg"
NUMBERS = (42, 7, 133)
PROMPTS = "image_id,prompt,evaluation_seed\n42,a cat,1\n7,a bus,2\n133,a tree,3\n"


def photograph(number: int) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((300, 200), 90).point(lambda level: (level + number) % 256).save(stream, "JPEG")
    return stream.getvalue()


def write_archive(path: Path, numbers: tuple[int, ...] = NUMBERS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number in (*numbers, 999):
            archive.writestr(MEMBER.format(id=number), photograph(number))
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    isolate(monkeypatch, tmp_path)
    monkeypatch.delenv(MIRROR, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coco.csv").write_text(PROMPTS)
    write_archive(tmp_path / "served/val2014.zip")
    with serve(Hub({"coco/zips": Repository(tmp_path / "served", "0" * 40)})) as running:
        yield running


@pytest.fixture
def reference(hub: Hub) -> dict[str, Any]:
    url = f"{hub.url}/raw/coco/zips"
    own = {"url": url, "file": "val2014.zip", "gigabytes": 6.6, "member": MEMBER}
    return {**own, "prompt_set": "coco_30k", "licence": "each photographer's own"}


def fetch(reference: dict[str, Any], **changes: Any) -> dict[str, Any]:
    prompts = {"name": "coco_30k", "scope": "model", "file": "coco.csv", "labels": "none", "sensitive": False}
    run(reference, "coco", {**prompts, **changes}, Path("out/coco/photographs.json"))
    return read_json(Path("out/coco/photographs.json"), KIND)


def test_the_archive_is_fetched_once(
    hub: Hub, reference: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    found = fetch(reference)
    assert found == {"place": "out/val2014.zip", "member": MEMBER, "numbers": list(NUMBERS)}
    assert "val2014.zip has 6.6 GB and is fetched once" in caplog.text
    hub.requests.clear()
    assert fetch(reference) == found
    assert hub.requests == []
    content, image = Photographs(Path(found["place"]), MEMBER).read(7)
    assert content == zipfile.ZipFile(tmp_path / "served/val2014.zip").read(MEMBER.format(id=7))
    assert image.mode == "RGB" and image.size == (300, 200)


def test_a_download_that_was_cut_goes_on(hub: Hub, reference: dict[str, Any], tmp_path: Path) -> None:
    hub.cut["val2014.zip"] = 20_000
    fetch(reference)
    assert hub.ranges == [20_000]
    assert Path("out/val2014.zip").read_bytes() == (tmp_path / "served/val2014.zip").read_bytes()


def test_a_mirror(hub: Hub, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR, reference["url"])
    assert fetch({**reference, "url": "http://nowhere.invalid"})["numbers"] == list(NUMBERS)


@pytest.mark.parametrize("named", ["unpacked", "unpacked/val2014", "packed"])
def test_a_folder_that_has_them(
    hub: Hub, reference: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    archive = write_archive(tmp_path / "packed/val2014.zip")
    zipfile.ZipFile(archive).extractall(tmp_path / "unpacked")
    monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / named))
    found = fetch(reference)
    assert hub.requests == [] and not Path("out/val2014.zip").exists(), "nothing is copied"
    place = tmp_path / "packed/val2014.zip" if named == "packed" else tmp_path / "unpacked"
    assert os.path.samefile(found["place"], place)
    assert Photographs(Path(found["place"]), MEMBER).read(42)[1].size == (300, 200)


@pytest.mark.parametrize("place", ["val2014.zip", "unpacked"])
def test_a_number_without_a_photograph(
    hub: Hub, reference: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    archive = write_archive(tmp_path / "served/val2014.zip", NUMBERS[:1])
    if place == "unpacked":
        zipfile.ZipFile(archive).extractall(tmp_path / place)
        monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / place))
    sentence = f"{place} has no val2014/COCO_val2014_000000000007.jpg, and lacks 2 of 3 photographs"
    with pytest.raises(UserError, match=sentence):
        fetch(reference)


def test_rows_that_number_no_photographs(hub: Hub, reference: dict[str, Any]) -> None:
    Path("coco.csv").write_text(PROMPTS.replace("133", "7"))
    with pytest.raises(UserError, match="'image_id' does not number the rows"):
        fetch(reference, columns={"case": "image_id"})


@pytest.mark.parametrize("broken", ["archive", "photograph"])
def test_damage(hub: Hub, reference: dict[str, Any], tmp_path: Path, broken: str) -> None:
    path = tmp_path / "served/val2014.zip"
    if broken == "archive":
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(UserError, match="out/val2014.zip is no ZIP archive .*: delete it and run the same again"):
            fetch(reference)
        return
    with zipfile.ZipFile(path, "w") as archive:
        for number in NUMBERS:
            archive.writestr(MEMBER.format(id=number), photograph(number)[:900])
    place = Path(fetch(reference)["place"])
    with pytest.raises(UserError, match="COCO_val2014_000000000007.jpg in out/val2014.zip cannot be decoded"):
        Photographs(place, MEMBER).read(7)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"url": "ftp://x"}, "references.coco: url is 'ftp://x'"),
        ({"member": "val2014/photo.jpg"}, "references.coco: member is 'val2014/photo.jpg'"),
        ({"member": "../{id}.jpg"}, "references.coco: member is"),
        ({"file": "val2014.tar"}, "references.coco: file is 'val2014.tar'"),
        ({"gigabytes": 0}, "references.coco: gigabytes is 0"),
    ],
)
def test_bad_origins(reference: dict[str, Any], change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        fetch({**reference, **change})

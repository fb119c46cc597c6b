"""Reference images, measured once: scenes or photographs, the same in any batch, and never others than at first."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regrow.errors import UserError
from regrow.io.files import read_json, write_json
from regrow.io.safetensors import read_file
from regrow.judges import load_judge
from regrow.stages.measure_reference import run
from tests.unit.judging import write_judge
from tests.unit.set_references import pictures, write_classifier_judge

ROOT = Path(__file__).parents[2]
SPRITES = ROOT / "data/emoji/sprites.parquet"
SCENES = {"sprites": "data/emoji/sprites.parquet", "images": 30, "seed": 5}
MEMBER = "photos/{id:04d}.png"
PHOTOGRAPHS = {"url": "https://example.org/zips", "file": "photos.zip", "gigabytes": 1.0, "member": MEMBER}
PHOTOGRAPHS |= {"prompt_set": "coco_30k", "licence": "ours"}
NUMBERS = [3, 1, 2, 9]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_classifier_judge(tmp_path / "distance")


def measure(judge: Path, reference: dict[str, Any], source: Path, batch: int = 8) -> dict[str, Any]:
    out = judge / "reference.safetensors"
    run(judge, reference, "pictures", source, Path("locks/world.json"), batch, "cpu", out)
    tensors, statement = read_file(out)
    return {**{name: tensor.numpy() for name, tensor in tensors.items()}, "statement": statement}


def write_photographs(folder: Path, seed: int = 0) -> Path:
    """Write an archive of photographs, and the list of them."""
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for number, image in zip(NUMBERS, pictures(len(NUMBERS), seed), strict=True):
            with archive.open(MEMBER.format(id=number), "w") as stream:
                image.save(stream, "PNG")
    write_json(folder / "photographs.json", {"place": "photos.zip", "member": MEMBER, "numbers": NUMBERS})
    return folder / "photographs.json"


def test_scenes_are_the_same_whatever_the_batch(judge: Path) -> None:
    whole, parts = measure(judge, SCENES, SPRITES), measure(judge, SCENES, SPRITES, batch=7)
    for name in ("mean", "covariance", "vectors", "counts"):
        assert np.allclose(whole[name], parts[name], atol=1e-6)
    assert whole["statement"] == parts["statement"]
    assert whole["statement"]["images"] == 30 and whole["statement"]["features"] == "classifier object"
    other = measure(judge, {**SCENES, "seed": 6}, SPRITES)
    assert other["statement"]["source"] != whole["statement"]["source"]
    assert not np.allclose(other["mean"], whole["mean"], atol=1e-6)


def test_a_judge_compares_with_it(judge: Path) -> None:
    measure(judge, SCENES, SPRITES)
    loaded = load_judge(judge)
    loaded.update(pictures(12), [])
    assert loaded.compute()[0]["distance"] > 0


def test_photographs_and_the_lock_that_tells_others(judge: Path, tmp_path: Path) -> None:
    source = write_photographs(tmp_path)
    found = measure(judge, PHOTOGRAPHS, source)
    vectors = load_judge(judge).features.vectors(pictures(4))
    assert np.allclose(found["mean"], vectors.mean(0), atol=1e-6)
    assert np.allclose(found["covariance"], np.cov(vectors, rowvar=False), atol=1e-6)
    lock = read_json(Path("locks/world.json"), "lock of fetched files")
    assert lock == {"https://example.org/zips/photos.zip": {"4 of them for pictures": found["statement"]["source"]}}
    assert measure(judge, PHOTOGRAPHS, source)["statement"] == found["statement"]
    write_photographs(tmp_path, seed=1)
    with pytest.raises(UserError, match="world.json says .* of 4 of them for pictures in .*, but this one is"):
        measure(judge, PHOTOGRAPHS, source)


def test_a_photograph_that_cannot_be_decoded(judge: Path, tmp_path: Path) -> None:
    source = write_photographs(tmp_path)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for number in NUMBERS:
            archive.writestr(MEMBER.format(id=number), b"no picture")
    with pytest.raises(UserError, match="photos/0003.png in photos.zip cannot be decoded"):
        measure(judge, PHOTOGRAPHS, source)
    assert not (judge / "reference.safetensors").exists()


def test_a_judge_that_compares_with_nothing(judge: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is of type classifier, which compares with no reference"):
        measure(tmp_path / "object", SCENES, SPRITES)
    with pytest.raises(UserError, match="has no 'classifier': add it"):
        measure(write_judge(tmp_path / "bare", type="classifier_distance"), SCENES, SPRITES)

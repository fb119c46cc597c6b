"""Judges: types by file name, the same scores from any batch size and shard, and every bad protocol in one sentence."""

import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from regrow import judges
from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.store import StoredImage
from regrow.judge._pictures import batches
from regrow.judges import judge_type, judge_types, load_judge, read_protocol
from tests.tiny.make_world import OBJECTS, make_world
from tests.unit.judging import BRIGHTNESS, add_type, write_judge

CHURCH = Prompt(0, "a church", 0, "church")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder / "judges"


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randint(0, 256, (32, 32, 3), generator=generator, dtype=torch.uint8) for _ in range(7)]
    return [Image.fromarray(pixels.numpy()) for pixels in noise]


def rows_for(images: list[Image.Image]) -> list[Prompt]:
    return [Prompt(case, f"a {OBJECTS[case % 3]}", case, "") for case in range(len(images))]


@pytest.mark.parametrize("name", ["object", "clip"])
def test_batches_and_shards_change_no_score(folder: Path, images: list[Image.Image], name: str) -> None:
    whole, rows = load_judge(folder / name), rows_for(images)
    whole.update(images, rows)
    expected = whole.compute()
    assert set(expected[0]) == set(whole.protocol.module.COLUMNS)
    parts = load_judge(folder / name)
    for first in range(0, 3, 2):
        parts.update(images[first : first + 2], rows[first : first + 2])
    other = load_judge(folder / name)
    other.update(images[4:], rows[4:])
    parts.merge(other)
    for one, many in zip(parts.compute(), expected, strict=True):
        for column, value in many.items():
            assert one[column] == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value)
    whole.reset()
    assert whole.compute() == []


def test_a_classifier_says_its_likeliest_labels(folder: Path, images: list[Image.Image]) -> None:
    judge = load_judge(folder / "object")
    judge.update(images, rows_for(images))
    for row in judge.compute():
        assert row["top5"][0] == row["top1"]
        assert sorted(row["top5"]) == sorted(OBJECTS), "the tiny judge knows three labels"
        assert 1 / 3 <= row["probability"] <= 1


def test_clip_similarity_is_a_cosine(folder: Path) -> None:
    judge = load_judge(folder / "clip")
    image = Image.new("RGB", (32, 32), (200, 30, 30))
    rows = [Prompt(0, prompt, 0, "") for prompt in ("a red background", "a cat", "a red background")]
    judge.update([image] * 3, rows)
    values = [row["similarity"] for row in judge.compute()]
    assert values[0] == pytest.approx(values[2], abs=1e-6)
    with torch.inference_mode():
        pixels = judge.model.encode_image(judge.transform(image)[None])[0]
        words = judge.model.encode_text(judge.tokenizer(["a cat"]))[0]
        by_hand = float(pixels @ words / (pixels.norm() * words.norm()))
    assert values[1] == pytest.approx(by_hand, abs=1e-5)


def test_a_type_is_a_file_and_a_file_a_type() -> None:
    assert judge_types() == ["classifier", "classifier_distance", "clip_similarity", "fid", "nudenet"]
    for name in judge_types():
        assert judge_type(name).PER in ("image", "set")
    with pytest.raises(UserError, match="no type of judges 'clasifier': did you mean 'classifier'"):
        judge_type("clasifier")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('PER = "image"', "", "brightness.py declares no PER"),
        ('PER = "image"', 'PER = "picture"', "declares 'picture': valid are: image, set"),
        ("NEEDS = ()", 'NEEDS = ("promt",)', "declares 'promt': did you mean 'prompt'"),
        ('"float64"', '"float"', "column 'brightness' is of type 'float': did you mean 'float64'"),
        ("class Judge", "class Critic", "declares no Judge"),
    ],
)
def test_a_type_that_declares_too_little(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str, sentence: str
) -> None:
    add_type(monkeypatch, "brightness", BRIGHTNESS.replace(before, after))
    with pytest.raises(UserError, match=sentence):
        judge_type("brightness")


def test_nothing_heavy_is_imported_to_read_what_judges_declare(folder: Path) -> None:
    lines = f"""
import sys
from pathlib import Path
from regrow.judges import judge_type, judge_types, read_protocol
for name in judge_types():
    judge_type(name)
protocol = read_protocol(Path({str(folder / "object")!r}))
assert protocol.labels == {list(OBJECTS)}
assert len(protocol.digest()) == 64
heavy = {{"torch", "torchvision", "open_clip", "pandas", "pyarrow", "numpy", "PIL"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", lines], check=True)


def test_the_protocol_tells_weights_by_their_content(folder: Path, tmp_path: Path) -> None:
    judge = shutil.copytree(folder / "object", tmp_path / "object")
    protocol = read_protocol(judge)
    printed = protocol.describe()
    assert printed["labels"] == 3
    assert printed["digests"] == {"weights": hashlib.sha256((judge / "model.safetensors").read_bytes()).hexdigest()}
    assert set(read_protocol(folder / "clip").digests()) == {"weights", "architecture"}
    before = protocol.digest()
    (judge / "README.md").write_text("words")
    assert read_protocol(judge).digest() == before, "what the judge does not read"
    tensors = load_file(judge / "model.safetensors")
    save_file({**tensors, "fc.bias": tensors["fc.bias"] + 1}, judge / "model.safetensors")
    assert read_protocol(judge).digest() != before


@pytest.mark.parametrize("change", [{"resize": 33}, {"labels": ["church", "cat", "rocket"]}, {"note": "another"}])
def test_the_digest_covers_every_setting(folder: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    assert read_protocol(copy_judge(folder, tmp_path / "judge", **change)).digest() != (
        read_protocol(folder / "object").digest()
    )


def test_the_digest_covers_the_code_of_the_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    judge = write_judge(tmp_path / "judge", type="brightness", factor=1.0)
    digests = set()
    for source in (BRIGHTNESS, BRIGHTNESS.replace("/ 3", "/ 4")):
        add_type(monkeypatch, "brightness", source)
        digests.add(read_protocol(judge).digest())
    assert len(digests) == 2


@pytest.mark.parametrize("damage", [lambda png: b"no picture", lambda png: png[:60], lambda png: b""])
def test_an_image_that_is_no_picture_is_one_sentence(damage: Any) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 90, 7)).save(stream, "PNG")
    whole = stream.getvalue()
    found = batches(iter([StoredImage("a" * 64, "digest", whole), StoredImage("b" * 64, "digest", damage(whole))]), 1)
    assert next(found)[0].getpixel((3, 3)) == (200, 90, 7)
    with pytest.raises(
        UserError, match=r"^the image b{12} of the store cannot be decoded \(.*\): delete its shard and"
    ):
        next(found)


def test_the_digest_covers_how_pictures_are_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    judge = write_judge(tmp_path / "judge", type="classifier")
    monkeypatch.setattr(judges, "code_digest", lambda *asked: str(asked))
    monkeypatch.setattr(judges.JudgeProtocol, "digests", lambda self: {})
    before = read_protocol(judge).digest()
    monkeypatch.setattr(judges, "PICTURES", "regrow.judge._other")
    assert read_protocol(judge).digest() != before


def test_pinned_weights(folder: Path, tmp_path: Path) -> None:
    found = read_protocol(folder / "object").digests()["weights"]
    assert read_protocol(copy_judge(folder, tmp_path / "right", sha256=found)).digests()["weights"] == found
    with pytest.raises(UserError, match="the weights are .*, but judge.yaml pins 000000000000: restore the file"):
        read_protocol(copy_judge(folder, tmp_path / "wrong", sha256="0" * 64)).digest()


def copy_judge(folder: Path, copy: Path, **changes: Any) -> Path:
    """Copy the object judge with other settings; None takes one away."""
    shutil.copytree(folder / "object", copy)
    settings = {**yaml.safe_load((copy / "judge.yaml").read_text()), **changes}
    (copy / "judge.yaml").write_text(yaml.safe_dump({k: v for k, v in settings.items() if v is not None}))
    return copy


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"type": None}, "type is None: valid are: classifier, classifier_distance, clip_similarity, fid, nudenet"),
        ({"type": "_scoring"}, "type is '_scoring'"),
        ({"architecture": "shufflenet_v2_x0_6"}, "did you mean 'shufflenet_v2_x0_5'"),
        ({"architecture": "fasterrcnn_resnet50_fpn"}, "no classifier 'fasterrcnn_resnet50_fpn'"),
        ({"architecture": 5}, "architecture is no good: should be a valid string"),
        ({"weights": 5}, "weights is no good: should be a valid string"),
        ({"weights": None}, "has no 'weights'"),
        ({"labels": None}, "has no 'labels'"),
        ({"labels": [1, 2, 3]}, "labels.0 is no good: should be a valid string"),
        ({"resize": 0}, "resize is no good: should be greater than or equal to 1"),
        ({"mean": [0.5]}, "mean.1 is no good: field required"),
        ({"std": [0, 0, 0]}, "std.0 is no good: should be greater than 0"),
        ({"labels": ["a", "b"]}, "does not fit shufflenet_v2_x0_5"),
        ({"weights": "none.safetensors"}, "none.safetensors"),
    ],
)
def test_bad_protocols(folder: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load_judge(copy_judge(folder, tmp_path / "judge", **changes))


@pytest.mark.parametrize(("text", "sentence"), [("[1]", "not a mapping"), ("a: [", "not YAML"), ("", "not a mapping")])
def test_a_protocol_that_is_no_mapping(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "judge.yaml").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_protocol(tmp_path)


def test_no_judge(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no judge in"):
        load_judge(tmp_path)


def test_broken_weights(folder: Path, tmp_path: Path) -> None:
    judge = copy_judge(folder, tmp_path / "object")
    tensors = load_file(judge / "model.safetensors")
    tensors["fc.bias"] = torch.full_like(tensors["fc.bias"], float("nan"))
    save_file(tensors, judge / "model.safetensors")
    with pytest.raises(UserError, match="NaN"):
        load_judge(judge)
    clip = shutil.copytree(folder / "clip", tmp_path / "clip")
    weights = clip / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot load the judge in .*clip: .*: restore its files"):
        load_judge(clip)


def published_judge(folder: Path, weights: str = "IMAGENET1K_V1") -> Path:
    return write_judge(folder, type="classifier", architecture="shufflenet_v2_x0_5", weights=weights)


def test_labels_of_published_weights_are_known_before_there_is_a_file(tmp_path: Path) -> None:
    labels = read_protocol(published_judge(tmp_path)).labels
    assert labels is not None
    assert labels == torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.meta["categories"]
    assert "French horn" in labels


def test_published_weights_are_what_their_name_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    judge = published_judge(tmp_path / "judge")
    cached = tmp_path / "hub/checkpoints" / Path(torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.url).name
    cached.parent.mkdir(parents=True)
    torch.save(torchvision.models.shufflenet_v2_x0_5().state_dict(), cached)
    with pytest.raises(UserError, match="is not the file of that name that torchvision publishes: delete it"):
        load_judge(judge)
    digest = hashlib.sha256(cached.read_bytes()).hexdigest()
    url = f"https://nowhere.invalid/{cached.stem.rpartition('-')[0]}-{digest[:8]}.pth"
    published = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    monkeypatch.setattr(type(published), "url", property(lambda _: url))
    cached.rename(cached.with_name(Path(url).name))
    loaded = load_judge(judge)
    assert read_protocol(judge).digests() == {"weights": digest}
    loaded.update([Image.new("RGB", (40, 30))], [CHURCH])
    assert loaded.compute()[0]["top1"] in loaded.labels
    cached.with_name(Path(url).name).unlink()

    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(UserError, match="cannot fetch .*: run once where there is a network, or put the file into"):
        load_judge(judge)


def test_published_weights_that_torchvision_has_not(tmp_path: Path) -> None:
    judge = write_judge(tmp_path, type="classifier", architecture="resnet50", weights="IMAGENET1K_V3")
    with pytest.raises(UserError, match="no weights 'IMAGENET1K_V3' of resnet50: did you mean 'IMAGENET1K_V[12]'"):
        load_judge(judge)


def test_published_weights_that_open_clip_has_not(tmp_path: Path) -> None:
    judge = write_judge(tmp_path, type="clip_similarity", architecture="ViT-B-32", weights="openay")
    with pytest.raises(UserError, match="open_clip has no 'openay' of ViT-B-32: did you mean 'openai'"):
        read_protocol(judge).digests()

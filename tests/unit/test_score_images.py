"""Judges: the same scores from any batch size, labels that must exist, and failures that are errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from regrow.errors import UserError
from regrow.judge.classifier import load_classifier
from regrow.judge.clip_similarity import load_clip
from regrow.stages import generate_images, score_images
from tests.unit.erased import write_judged_world


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_judged_world(folder)
    images = folder / "images.parquet"
    generate_images.run(
        folder / "world.json", "pretrained", "church", ["preserved"], None, 5, 2, 3.0, 5, "cpu", [images]
    )
    return folder


def score(place: Path, out: Path, **changes: Any) -> list[dict[str, Any]]:
    settings = {"images": [place / "images.parquet"], "prompt_sets": ["preserved"], "batch": 5, "concept": "church"}
    score_images.run(
        place / "world.json", **{**settings, **changes}, recipe="pretrained", chain={}, device="cpu", outs=[out]
    )
    return pq.read_table(out).to_pylist()


def test_one_row_per_image_with_its_protocol(place: Path, tmp_path: Path) -> None:
    rows = score(place, tmp_path / "scores.parquet")
    assert len(rows) == 5
    for row in rows:
        assert row["label"] in ("rocket", "cat")
        assert row["correct"] == (row["top1"] == row["label"])
        assert row["top5"][0] == row["top1"]
        assert len(row["top5"]) == 3, "the tiny judge knows three labels"
        assert 1 / 3 <= row["confidence"] <= 1
        assert -1 <= row["clip_similarity"] <= 1
    meta = json.loads(pq.read_schema(tmp_path / "scores.parquet").metadata[b"regrow"])
    assert set(meta["protocol"]) == {"object", "style", "clip"}
    assert len(meta["protocol"]["object"]["weights_digest"]) == 64
    assert {"torch", "diffusers", "torchvision", "open_clip_torch", "regrow"} <= set(meta["versions"])


def test_batch_size_changes_no_score(place: Path, tmp_path: Path) -> None:
    one, five = score(place, tmp_path / "1.parquet", batch=1), score(place, tmp_path / "5.parquet")
    for a, b in zip(one, five, strict=True):
        assert a["top5"] == b["top5"]
        assert a["confidence"] == pytest.approx(b["confidence"], abs=1e-5)
        assert a["clip_similarity"] == pytest.approx(b["clip_similarity"], abs=1e-5)


def test_a_world_without_a_style_judge_has_no_styles(place: Path, tmp_path: Path) -> None:
    told = json.loads((place / "world.json").read_text())
    for judge in ("object", "clip"):
        shutil.copytree(place / "judges" / judge, tmp_path / "judges" / judge)
    told["judges"] = str(tmp_path / "judges")
    (tmp_path / "world.json").write_text(json.dumps(told))
    out = tmp_path / "scores.parquet"
    score_images.run(
        tmp_path / "world.json",
        [place / "images.parquet"],
        "pretrained",
        "church",
        ["preserved"],
        {},
        5,
        "cpu",
        [out],
    )
    with_style = score(place, tmp_path / "with.parquet")
    for row, full in zip(pq.read_table(out).to_pylist(), with_style, strict=True):
        assert row == {key: value for key, value in full.items() if key not in ("style", "style_confidence")}
    meta = json.loads(pq.read_schema(out).metadata[b"regrow"])
    assert set(meta["protocol"]) == {"object", "clip"}


def test_a_label_that_the_judge_does_not_know(place: Path, tmp_path: Path) -> None:
    table = pq.read_table(place / "images.parquet")
    labels = pa.array(["rockte"] * len(table))
    pq.write_table(
        table.set_column(table.schema.get_field_index("label"), "label", labels), tmp_path / "images.parquet"
    )
    with pytest.raises(UserError, match="no label 'rockte': did you mean 'rocket'"):
        score(place, tmp_path / "out.parquet", images=[tmp_path / "images.parquet"])


def test_a_damaged_image_is_an_error(place: Path, tmp_path: Path) -> None:
    rows = pq.read_table(place / "images.parquet").to_pylist()
    rows[2]["image"]["bytes"] = b"no picture"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "images.parquet")
    with pytest.raises(UserError, match="the image of case .* is damaged"):
        score(place, tmp_path / "out.parquet", images=[tmp_path / "images.parquet"])
    assert not (tmp_path / "out.parquet").exists()


def test_a_truncated_parquet_file(place: Path, tmp_path: Path) -> None:
    (tmp_path / "images.parquet").write_bytes((place / "images.parquet").read_bytes()[:500])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        score(place, tmp_path / "out.parquet", images=[tmp_path / "images.parquet"])


def copy_judge(place: Path, folder: Path, **changes: Any) -> Path:
    """Copy the object judge with other settings; None takes one away."""
    folder.mkdir()
    source = place / "judges/object"
    settings = {**yaml.safe_load((source / "judge.yaml").read_text()), **changes}
    (folder / "judge.yaml").write_text(yaml.safe_dump({k: v for k, v in settings.items() if v is not None}))
    (folder / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    return folder


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"architecture": "shufflenet_v2_x0_6"}, "did you mean 'shufflenet_v2_x0_5'"),
        ({"architecture": "fasterrcnn_resnet50_fpn"}, "no classifier 'fasterrcnn_resnet50_fpn'"),
        ({"architecture": 5}, "architecture is no good: should be a valid string"),
        ({"weights": 5}, "weights is no good: should be a valid string"),
        ({"labels": None}, "has no 'labels'"),
        ({"labels": [1, 2, 3]}, "labels.0 is no good: should be a valid string"),
        ({"resize": 0}, "resize is no good: should be greater than or equal to 1"),
        ({"mean": [0.5]}, "mean.1 is no good: field required"),
        ({"std": [0, 0, 0]}, "std.0 is no good: should be greater than 0"),
        ({"labels": ["a", "b"]}, "does not fit shufflenet_v2_x0_5"),
        ({"weights": "none.safetensors"}, "none.safetensors does not exist"),
    ],
)
def test_bad_protocols(place: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load_classifier(copy_judge(place, tmp_path / "judge", **changes))


def test_weights_that_are_not_numbers(place: Path, tmp_path: Path) -> None:
    folder = copy_judge(place, tmp_path / "judge")
    tensors = load_file(folder / "model.safetensors")
    tensors["fc.bias"] = torch.full_like(tensors["fc.bias"], float("nan"))
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match="NaN"):
        load_classifier(folder)


def test_a_truncated_clip(place: Path, tmp_path: Path) -> None:
    judge = shutil.copytree(place / "judges" / "clip", tmp_path / "clip")
    weights = next(judge.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot load the judge in .*clip: .*: restore its files"):
        load_clip(judge)


def test_published_weights_that_torchvision_has_not(place: Path, tmp_path: Path) -> None:
    judge = shutil.copytree(place / "judges" / "object", tmp_path / "object")
    (judge / "judge.yaml").write_text("architecture: resnet50\nweights: IMAGENET1K_V3\n")
    with pytest.raises(UserError, match="no weights 'IMAGENET1K_V3' of resnet50: did you mean 'IMAGENET1K_V[12]'"):
        load_classifier(judge)


def test_no_judge(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no judge in"):
        load_clip(tmp_path)


def test_clip_similarity_is_a_cosine(place: Path) -> None:
    clip = load_clip(place / "judges/clip")
    image = Image.new("RGB", (32, 32), (200, 30, 30))
    prompts = ["a red background", "a cat", "a red background"]
    values = clip([image] * 3, prompts)
    assert values[0] == pytest.approx(values[2], abs=1e-6)
    with torch.inference_mode():
        pixels = clip.model.encode_image(clip.transform(image)[None])[0]
        words = clip.model.encode_text(clip.tokenizer(["a cat"]))[0]
        by_hand = float(pixels @ words / (pixels.norm() * words.norm()))
    assert values[1] == pytest.approx(by_hand, abs=1e-5)

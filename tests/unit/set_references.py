"""References and networks of a few kilobytes for tests of judges that compare a set with a reference."""

import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image

from regrow.io.files import file_digest
from regrow.judge._feature_sets import FeatureSet, pixels_digest
from regrow.judge._references import write_reference
from regrow.judges import read_protocol
from tests.tiny.make_world import _write_classifier
from tests.unit.judging import write_judge

LABELS = ("church", "rocket", "cat")


class _Layers(torch.nn.Module):
    """Sixteen features and nothing beside them, in the shape of Inception's."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 2048, 13, stride=143)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.convolution(x)).mean((2, 3))


class _Inception(torch.nn.Module):
    """What clean-fid asks of the network: its `layers`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _Layers()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def write_inception(folder: Path) -> Path:
    """Write random weights as the TorchScript file that clean-fid loads."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "inception-2015-12-05.pt"
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        torch.jit.script(_Inception().eval()).save(str(path))
    return path


def write_fid_judge(folder: Path, **changes: Any) -> Path:
    weights = write_inception(folder)
    own = {"type": "fid", "weights": weights.name, "sha256": file_digest(weights), "mode": "clean"}
    return write_judge(folder, **{**own, "reference": str(folder / "reference.safetensors"), **changes})


def write_classifier_judge(folder: Path, **changes: Any) -> Path:
    """Write a judge by a classifier's features, and the classifier beside it."""
    if not (folder.parent / "object").exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _write_classifier(folder.parent / "object", LABELS)
    own = {"type": "classifier_distance", "classifier": "../object"}
    return write_judge(folder, **{**own, "reference": str(folder / "reference.safetensors"), **changes})


def pictures(count: int, seed: int = 0, size: tuple[int, int] = (40, 32)) -> list[Image.Image]:
    """Draw coarse patterns of random colours."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 4, 5, 3), generator=generator, dtype=torch.uint8)
    return [Image.fromarray(pixels.numpy()).resize(size, Image.Resampling.BICUBIC) for pixels in coarse]


def refer(judge: Path, images: list[Image.Image]) -> None:
    """Measure a reference of some images for a judge."""
    protocol = read_protocol(judge)
    features, found = protocol.module.Features(protocol, "cpu"), FeatureSet()
    found.add([pixels_digest(image) for image in images], features.vectors(images))
    path = Path(yaml.safe_load((judge / "judge.yaml").read_text())["reference"])
    write_reference(path, found, {**features.statement, "reference": "pictures"})

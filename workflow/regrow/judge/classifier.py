"""A classifier of torchvision as judge of objects or styles: ResNet-50 on ImageNet as in the paper, or a small one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import torchvision
from PIL import Image
from pydantic import Field
from torch import nn
from torchvision.transforms import v2

from regrow.device import check_device
from regrow.errors import UserError, nearest
from regrow.judge import Protocol, read_protocol
from regrow.methods import Positive
from regrow.models import read_tensors

Three = tuple[float, float, float]
ThreePositive = tuple[Positive, Positive, Positive]


@dataclass(frozen=True)
class Opinion:
    """What a classifier sees on one image.

    Attributes
    ----------
    top5 : list of str
        The five likeliest labels (fewer where the judge knows fewer), likeliest first.
    confidence : float
        Probability of the first.
    """

    top5: list[str]
    confidence: float


class Classifier:
    """A torchvision classifier with its own preprocessing.

    Parameters
    ----------
    protocol : Protocol
        ``architecture``: a torchvision model. ``weights``: a weights name of torchvision such as IMAGENET1K_V2, which
        brings labels and preprocessing, or a safetensors file beside the protocol; then also ``labels``, ``resize``
        (pixels), ``mean`` and ``std`` (three numbers each, for pixels in [0, 1]).
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        An unknown architecture, missing settings, or weights that do not fit.
    """

    def __init__(self, protocol: Protocol, device: str = "cpu"):
        check_device(device)
        self.protocol, self.device = protocol, device
        architecture, weights = protocol.require("architecture", str), protocol.require("weights", str)
        classifiers = torchvision.models.list_models(module=torchvision.models)
        if architecture not in classifiers:
            hint = nearest(architecture, classifiers)
            raise UserError(f"{protocol.folder}: torchvision has no classifier '{architecture}': {hint}")
        if weights.endswith(".safetensors"):
            self.labels: list[str] = protocol.require("labels", Annotated[list[str], Field(min_length=1)])
            self.model = torchvision.models.get_model(architecture, weights=None, num_classes=len(self.labels))
            self.transform: nn.Module = v2.Compose(
                [
                    v2.ToImage(),
                    v2.Resize(protocol.require("resize", Annotated[int, Field(ge=1)]), antialias=True),
                    v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize(protocol.require("mean", Three), protocol.require("std", ThreePositive)),
                ]
            )
            self._load(protocol.folder / weights)
        else:
            known = torchvision.models.get_model_weights(architecture)
            if weights not in known.__members__:
                hint = nearest(weights, known.__members__)
                raise UserError(f"{protocol.folder}: torchvision has no weights '{weights}' of {architecture}: {hint}")
            published = known[weights]
            self.labels = [label.lower() for label in published.meta["categories"]]
            try:
                self.model = torchvision.models.get_model(architecture, weights=published)
            except (OSError, RuntimeError) as error:  # fetched on first use
                raise UserError(
                    f"{protocol.folder}: cannot fetch '{weights}' of {architecture} ({error}): run once where there is "
                    "a network, or put its file into torch's cache"
                ) from error
            self.transform = published.transforms()
        self.model.to(device).eval()

    def _load(self, path: Path) -> None:
        tensors = {name: tensor.float() for name, tensor in read_tensors(path).items()}
        try:
            self.model.load_state_dict(tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path} does not fit {self.protocol.settings['architecture']}: {reason}") from error

    def require_label(self, label: str) -> None:
        """Raise a UserError when the judge cannot see `label` at all."""
        if label not in self.labels:
            raise UserError(
                f"the judge in {self.protocol.folder} has no label '{label}': {nearest(label, self.labels)}"
            )

    @torch.inference_mode()
    def __call__(self, images: list[Image.Image]) -> list[Opinion]:
        """Judge images (RGB, any size); returns one opinion each, in order."""
        batch = torch.stack([self.transform(image) for image in images]).to(self.device)
        values, indices = self.model(batch).softmax(dim=1).topk(min(5, len(self.labels)), dim=1)
        if not torch.isfinite(values).all():
            raise UserError(f"the judge in {self.protocol.folder} gave NaN: its weights or an image are damaged")
        return [
            Opinion([self.labels[i] for i in row], value[0])
            for row, value in zip(indices.tolist(), values.tolist(), strict=True)
        ]


def load_classifier(folder: Path, device: str = "cpu") -> Classifier:
    """Load the classifier whose ``judge.yaml`` lies in `folder`."""
    return Classifier(read_protocol(folder), device)

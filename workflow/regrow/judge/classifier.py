"""A classifier of torchvision as judge of objects or styles: ResNet-50 on ImageNet as in the paper, or a small one.

``architecture``: a torchvision model. ``weights``: a weights name of torchvision such as IMAGENET1K_V2, which brings
labels and preprocessing, or a safetensors file beside the protocol; then also ``labels``, ``resize`` (pixels), ``mean``
and ``std`` (three numbers each, for pixels in [0, 1]).
"""

from __future__ import annotations

import importlib.util
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from regrow.errors import UserError, nearest

if TYPE_CHECKING:
    from PIL import Image

    from regrow.images.prompts import Prompt
    from regrow.judges import JudgeProtocol

PER = "image"
NEEDS = ()
LIBRARIES = ("torchvision",)
COLUMNS = {"top1": "string", "top5": "list<string>", "probability": "float64"}

RGB = tuple[float, float, float]
PositiveFloat = Annotated[float, Field(gt=0)]
PositiveRGB = tuple[PositiveFloat, PositiveFloat, PositiveFloat]


def labels(protocol: JudgeProtocol) -> list[str]:
    """Return the labels of a classifier without loading it; those of published weights are ImageNet's."""
    if _is_own(protocol):
        own: list[str] = protocol.require("labels", Annotated[list[str], Field(min_length=1)])
        return own
    # The file alone: importing torchvision takes seconds, and labels are checked before the first job.
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise UserError(f"{protocol.folder} needs torchvision, which is not installed: install it")
    categories: list[str] = runpy.run_path(str(Path(package.origin).parent / "models/_meta.py"))["_IMAGENET_CATEGORIES"]
    return categories


def files(protocol: JudgeProtocol) -> dict[str, Path]:
    """Return the file of the weights; published ones are fetched into torch's cache where they are not there yet.

    Raises
    ------
    UserError
        Unknown weights, no network, or a file in the cache whose content is not what its name promises.
    """
    if _is_own(protocol):
        return {"weights": protocol.folder / protocol.require("weights", str)}
    if "file" in protocol.settings:  # what fetch_world brought
        return {"weights": protocol.folder / protocol.require("file", str)}
    import torch

    from regrow.io.files import file_digest

    url = _published(protocol).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    # resnet50-11ad3fa6.pth names the first digits of its digest, which torch compares only when it fetches.
    promised = path.stem.rpartition("-")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), promised, progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{protocol.folder}: cannot fetch {url} ({error}): run once where there is a network, or put the file "
                f"into {path.parent}"
            ) from error
    elif not file_digest(path).startswith(promised):
        raise UserError(f"{path} is not the file of that name that torchvision publishes: delete it")
    return {"weights": path}


class Judge:
    """A torchvision classifier with its own preprocessing.

    Parameters
    ----------
    protocol : JudgeProtocol
        See the head of this file.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        An unknown architecture, missing settings, or weights that do not fit.
    """

    def __init__(self, protocol: JudgeProtocol, device: str = "cpu") -> None:
        import torch
        import torchvision
        from torchvision.transforms import v2

        from regrow.device import check_device
        from regrow.io.safetensors import read_tensors

        check_device(device)
        self.protocol, self.device, self.labels = protocol, device, labels(protocol)
        architecture = _architecture(protocol)
        if _is_own(protocol):
            model = torchvision.models.get_model(architecture, weights=None, num_classes=len(self.labels))
            self.transform: Any = v2.Compose(
                [
                    v2.ToImage(),
                    v2.Resize(protocol.require("resize", Annotated[int, Field(ge=1)]), antialias=True),
                    v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize(protocol.require("mean", RGB), protocol.require("std", PositiveRGB)),
                ]
            )
            path = files(protocol)["weights"]
            tensors = {name: tensor.float() for name, tensor in read_tensors(path).items()}
        else:
            published = _published(protocol)
            if published.meta["categories"] != self.labels:
                raise UserError(
                    f"{protocol.folder}: '{published.name}' has other labels than ImageNet's: take other weights"
                )
            # Models that were trained on the interval [-1, 1] turn their input into it themselves, when told to.
            turning = {"transform_input": True, "init_weights": False}
            extra = turning if architecture in ("googlenet", "inception_v3") else {}
            model = torchvision.models.get_model(architecture, weights=None, **extra)
            self.transform = published.transforms()
            path = files(protocol)["weights"]
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        try:
            model.load_state_dict(tensors)
        except RuntimeError as error:
            raise UserError(f"{path} does not fit {architecture}: {' '.join(str(error).split())[:200]}") from error
        self.model = model.to(device).eval()
        self.reset()

    def update(self, images: list[Image.Image], rows: Sequence[Prompt]) -> None:
        """Judge a batch of RGB images of any size."""
        import torch

        with torch.inference_mode():
            batch = torch.stack([self.transform(image) for image in images]).to(self.device)
            values, indices = self.model(batch).softmax(dim=1).topk(min(5, len(self.labels)), dim=1)
        for likeliest, value in zip(indices.tolist(), values[:, 0].tolist(), strict=True):
            top5 = [self.labels[i] for i in likeliest]
            self._rows.append({"top1": top5[0], "top5": top5, "probability": value})

    def merge(self, other: Judge) -> None:
        """Add what another judge has seen."""
        self._rows += other.compute()

    def compute(self) -> list[dict[str, Any]]:
        """Return one row per image: the likeliest label, the five likeliest, and the probability of the first."""
        return list(self._rows)

    def reset(self) -> None:
        """Forget all images."""
        self._rows: list[dict[str, Any]] = []


def _is_own(protocol: JudgeProtocol) -> bool:
    return str(protocol.require("weights", str)).endswith(".safetensors")


def _architecture(protocol: JudgeProtocol) -> str:
    import torchvision

    name: str = protocol.require("architecture", str)
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise UserError(f"{protocol.folder}: torchvision has no classifier '{name}': {nearest(name, known)}")
    return name


def _published(protocol: JudgeProtocol) -> Any:
    import torchvision

    architecture, weights = _architecture(protocol), protocol.require("weights", str)
    known = torchvision.models.get_model_weights(architecture)
    if weights not in known.__members__:
        hint = nearest(weights, known.__members__)
        raise UserError(f"{protocol.folder}: torchvision has no weights '{weights}' of {architecture}: {hint}")
    return known[weights]

"""Distance of a set of images from a reference by what a classifier sees: FID with a judge's own network for Inception.

Where Inception means nothing, as for small emoji, the layer before the classifier's answers takes its place. Numbers of
two classifiers, or of one and of Inception, have nothing to do with each other. ``classifier``: the folder of a judge
of type classifier, seen from this one. ``reference``, ``images``: see `regrow.judge._set_distance`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.judge._set_distance import SetDistance, reference_file

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from regrow.judges import JudgeProtocol

PER = "set"
NEEDS = ()
LIBRARIES = ("torchvision",)
COLUMNS = {
    "distance": "float64",
    "distance_error": "float64",
    "kid": "float64",
    "kid_error": "float64",
    "features": "string",
}


def files(protocol: JudgeProtocol) -> dict[str, Path]:
    """Return the files of the classifier and of the reference."""
    from regrow.judge import classifier

    own = _classifier(protocol)
    return {**classifier.files(own), "classifier": own.folder / "judge.yaml", "reference": reference_file(protocol)}


class Features:
    """The layer before the last of a classifier.

    Parameters
    ----------
    protocol : JudgeProtocol
        See the head of this file.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        No classifier there, or one that has no such layer.
    """

    def __init__(self, protocol: JudgeProtocol, device: str = "cpu") -> None:
        from regrow.judge import classifier

        own = _classifier(protocol)
        self.statement = {"features": f"classifier {own.folder.name}", "classifier": own.digest()}
        self._classifier = classifier.Judge(own, device)
        self._seen: list[torch.Tensor] = []
        _last_layer(self._classifier.model, own).register_forward_pre_hook(
            lambda _, inputs: self._seen.append(inputs[0].flatten(1))
        )

    def vectors(self, images: list[Image.Image]) -> np.ndarray:
        """Return what goes into the last layer, for each image of any size."""
        import torch

        with torch.inference_mode():
            batch = torch.stack([self._classifier.transform(image) for image in images])
            self._classifier.model(batch.to(self._classifier.device))
        found: np.ndarray = self._seen.pop().float().cpu().numpy()
        return found


class Judge(SetDistance):
    """The distance of a set of images from the reference; see `Features` for what it takes."""


def _classifier(protocol: JudgeProtocol) -> JudgeProtocol:
    from regrow.judges import read_protocol

    folder = Path(os.path.normpath(protocol.folder / str(protocol.require("classifier", str))))
    own = read_protocol(folder)
    if own.type != "classifier":
        raise UserError(
            f"{protocol.folder / 'judge.yaml'}: the judge in {folder} is of type {own.type}: name a classifier"
        )
    return own


def _last_layer(model: torch.nn.Module, protocol: JudgeProtocol) -> torch.nn.Module:
    from torch import nn

    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise UserError(f"{protocol.folder}: its network has no linear layer, before which features are: take another")
    return linear[-1]

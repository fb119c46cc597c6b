"""FID: how far the images of a set are from photographs, by Inception's features as clean-fid computes them.

``weights``: the TorchScript file inception-2015-12-05.pt, with its ``sha256``. ``mode``: clean, clean-fid's own way to
resize. ``reference``, ``images``: see `regrow.judge._set_distance`. Needs clean-fid (the extra `fid`), of which
resizing and network are used; its own distance needs an older scipy, and its own downloads go where no rule looks.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from regrow.errors import UserError
from regrow.judge._set_distance import SetDistance, reference_file

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from regrow.judges import JudgeProtocol

PER = "set"
NEEDS = ()
LIBRARIES = ("clean-fid",)
COLUMNS = {
    "distance": "float64",
    "distance_error": "float64",
    "kid": "float64",
    "kid_error": "float64",
    "features": "string",
}
FILE = "inception-2015-12-05.pt"  # the one name under which clean-fid looks for it


def files(protocol: JudgeProtocol) -> dict[str, Path]:
    """Return the files of the network and of the reference."""
    return {
        "weights": protocol.folder / str(protocol.require("weights", str)),
        "reference": reference_file(protocol),
    }


class Features:
    """Inception of clean-fid, with its resizing.

    Parameters
    ----------
    protocol : JudgeProtocol
        See the head of this file.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        No clean-fid, another mode, or weights that judge.yaml does not pin.
    """

    def __init__(self, protocol: JudgeProtocol, device: str = "cpu") -> None:
        mode: str = protocol.require("mode", Literal["clean"])
        self.device, self.statement = device, {"features": f"inception, {mode}", "weights": _pinned_weights(protocol)}
        self._network, self._resize = _load(files(protocol)["weights"], device)

    def vectors(self, images: list[Image.Image]) -> np.ndarray:
        """Return 2,048 numbers per image of any size."""
        import numpy as np
        import torch

        # Numbers from 0 to 255 that are not rounded after resizing: what makes it "clean".
        pixels = np.stack([self._resize(np.asarray(image)) for image in images]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            found: np.ndarray = self._network(torch.from_numpy(pixels).to(self.device)).cpu().numpy()
        return found


class Judge(SetDistance):
    """The distance of a set of images from the reference; see `Features` for what it takes."""


def _pinned_weights(protocol: JudgeProtocol) -> str:
    """Return the digest of the network, which is a program: one that nobody pinned is not run."""
    if "sha256" not in protocol.settings:
        raise UserError(
            f"{protocol.folder / 'judge.yaml'} has no 'sha256': add that of the weights, which are a program"
        )
    return protocol.digests()["weights"]


def _load(weights: Path, device: str) -> tuple[Any, Any]:
    from regrow.device import check_device

    check_device(device)
    try:
        from cleanfid.inception_torchscript import InceptionV3W
        from cleanfid.resize import build_resizer
    except ModuleNotFoundError as error:
        raise UserError(
            f"the judge in {weights.parent} needs {error.name}, which is not installed: `pip install 'regrow[fid]'`"
        ) from error
    if weights.name != FILE:
        raise UserError(f"{weights}: clean-fid loads a file {FILE} only: give it that name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, by which clean-fid loads it
        warnings.simplefilter("ignore", FutureWarning)
        try:
            network = InceptionV3W(str(weights.parent), download=False)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(f"{weights} cannot be loaded ({reason}): fetch it again") from error
    return network.to(device).eval(), build_resizer("clean")

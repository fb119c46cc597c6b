"""CLIP similarity of an image and its prompt by open_clip: the cosine, unscaled, as in the paper (methods.md 5.2).

``architecture``: a model of open_clip, or the stem of a configuration file beside the protocol. ``weights``: a
pretrained tag of open_clip such as ``openai``, or a safetensors file beside the protocol. ``mean``, ``std``: of the
pixels, where they are not the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrow.errors import UserError, nearest

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from regrow.images.prompts import Prompt
    from regrow.judges import JudgeProtocol

PER = "image"
NEEDS = ("prompt",)
LIBRARIES = ("open_clip_torch",)
COLUMNS = {"similarity": "float64"}


def files(protocol: JudgeProtocol) -> dict[str, Path]:
    """Return the files of weights and architecture; published weights are fetched where they are not there yet."""
    architecture, weights = protocol.require("architecture", str), protocol.require("weights", str)
    config = protocol.folder / f"{architecture}.json"
    found = {"architecture": config} if config.is_file() else {}
    if weights.endswith(".safetensors"):
        return {**found, "weights": protocol.folder / weights}
    import open_clip

    settings = open_clip.get_pretrained_cfg(architecture, weights)
    if not settings:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise UserError(f"{protocol.folder}: open_clip has no '{weights}' of {architecture}: {nearest(weights, tags)}")
    try:
        return {**found, "weights": Path(open_clip.download_pretrained(settings))}
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{protocol.folder}: cannot fetch '{weights}' of {architecture} ({reason}): run where there is a network"
        ) from error


class Judge:
    """An open_clip model as judge.

    Parameters
    ----------
    protocol : JudgeProtocol
        See the head of this file.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        An unknown model or weights that do not fit.
    """

    def __init__(self, protocol: JudgeProtocol, device: str = "cpu") -> None:
        import open_clip
        from safetensors import SafetensorError

        from regrow.device import check_device

        check_device(device)
        self.protocol, self.device = protocol, device
        architecture, weights = protocol.require("architecture", str), protocol.require("weights", str)
        if (protocol.folder / f"{architecture}.json").is_file():
            open_clip.add_model_config(protocol.folder / f"{architecture}.json")
        if weights.endswith(".safetensors"):
            weights = str(protocol.folder / weights)
        try:
            model, _, self.transform = open_clip.create_model_and_transforms(
                architecture,
                pretrained=weights,
                image_mean=protocol.settings.get("mean"),
                image_std=protocol.settings.get("std"),
            )
        except (RuntimeError, OSError, KeyError, ValueError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"cannot load the judge in {protocol.folder}: {reason}: restore its files") from error
        self.tokenizer = open_clip.get_tokenizer(architecture)
        self.model = model.to(device).float().eval()
        self._texts: dict[str, Tensor] = {}  # prompts repeat from model to model: each is encoded once
        self.reset()

    def update(self, images: list[Image.Image], rows: Sequence[Prompt]) -> None:
        """Compare a batch of RGB images of any size with the prompts of their rows."""
        import torch

        with torch.inference_mode():
            if new := sorted({row.prompt for row in rows} - set(self._texts)):
                encoded = self.model.encode_text(self.tokenizer(new).to(self.device), normalize=True)
                self._texts.update(zip(new, encoded, strict=True))
            pixels = torch.stack([self.transform(image) for image in images]).to(self.device)
            texts = torch.stack([self._texts[row.prompt] for row in rows])
            cosine = (self.model.encode_image(pixels, normalize=True) * texts).sum(dim=1)
        self._cosines += cosine.tolist()

    def merge(self, other: Judge) -> None:
        """Add what another judge has seen."""
        self._cosines += other._cosines

    def compute(self) -> list[dict[str, Any]]:
        """Return one row per image: its cosine with its prompt, in [-1, 1]."""
        return [{"similarity": cosine} for cosine in self._cosines]

    def reset(self) -> None:
        """Forget all images; the encoded prompts are kept."""
        self._cosines: list[float] = []

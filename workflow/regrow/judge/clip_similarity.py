"""CLIP similarity of an image and its prompt by open_clip: the cosine, unscaled, as in the paper (methods.md 5.2)."""

from pathlib import Path

import open_clip
import torch
from PIL import Image
from safetensors import SafetensorError

from regrow.errors import UserError
from regrow.judge import Protocol, read_protocol


class ClipSimilarity:
    """An open_clip model as judge.

    Parameters
    ----------
    protocol : Protocol
        ``architecture``: a model of open_clip, or the stem of a configuration file beside the protocol.
        ``weights``: a pretrained tag of open_clip such as ``openai``, or a safetensors file beside the protocol.
        ``mean``, ``std``: of the pixels, where they are not the model's own.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        An unknown model or weights that do not fit.
    """

    def __init__(self, protocol: Protocol, device: str = "cpu"):
        self.protocol, self.device = protocol, device
        architecture, weights = protocol.require("architecture", str), protocol.require("weights", str)
        if (protocol.folder / f"{architecture}.json").is_file():
            open_clip.add_model_config(protocol.folder / f"{architecture}.json")
        if weights.endswith(".safetensors"):
            weights = str(protocol.folder / weights)
        try:
            self.model, _, self.transform = open_clip.create_model_and_transforms(
                architecture,
                pretrained=weights,
                image_mean=protocol.settings.get("mean"),
                image_std=protocol.settings.get("std"),
            )
        except (RuntimeError, OSError, KeyError, ValueError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"cannot load the judge in {protocol.folder}: {reason}: restore its files") from error
        self.tokenizer = open_clip.get_tokenizer(architecture)
        self.model.to(device).float().eval()

    @torch.inference_mode()
    def __call__(self, images: list[Image.Image], prompts: list[str]) -> list[float]:
        """Return the cosine of each image with its prompt, in [-1, 1]."""
        pixels = torch.stack([self.transform(image) for image in images]).to(self.device)
        words = sorted(set(prompts))  # prompts repeat: each is encoded once
        text = self.model.encode_text(self.tokenizer(words).to(self.device), normalize=True)
        rows = text[[words.index(prompt) for prompt in prompts]]
        cosine = (self.model.encode_image(pixels, normalize=True) * rows).sum(dim=1)
        if not torch.isfinite(cosine).all():
            raise UserError(f"the judge in {self.protocol.folder} gave NaN: its weights or an image are damaged")
        return cosine.tolist()


def load_clip(folder: Path, device: str = "cpu") -> ClipSimilarity:
    """Load the CLIP model whose ``judge.yaml`` lies in `folder`."""
    return ClipSimilarity(read_protocol(folder), device)

"""The CLIP of the attack's own: how alike images and texts are, with a gradient; it never judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from regrow.errors import UserError
from regrow.judges import read_protocol

if TYPE_CHECKING:
    from regrow.model.published import Similarity

KIND = "clip_similarity"  # a judge.yaml of this type says which model it is


def load_similarity(folder: Path, device: str) -> Similarity:
    """Load a CLIP by which an attack is steered.

    Cosine of the embeddings of an image and of a text, unscaled, in float32. An image is made as large as the model
    wants it by bicubic interpolation with antialiasing on its real values, where a judge interpolates bytes.

    Parameters
    ----------
    folder : Path
        A folder with a judge.yaml of type clip_similarity.
    device : str
        Where images will be.

    Returns
    -------
    callable
        Of float images (n, 3, h, w) in [0, 1] and n texts: n cosines, differentiable in the images. The weights get
        no gradient; each text is encoded once.

    Raises
    ------
    UserError
        No such folder, another type of judge, weights that are not those that are pinned, or that do not fit.
    """
    import torch
    from torchvision.transforms.v2 import functional as vision

    from regrow.judge.clip_similarity import Judge

    protocol = read_protocol(folder)
    if protocol.type != KIND:
        raise UserError(f"{folder} is a judge of type {protocol.type}, which has no texts: give one of type {KIND}")
    protocol.digests()  # of weights that are pinned
    loaded = Judge(protocol, device)
    model, tokenizer = loaded.model.requires_grad_(False), loaded.tokenizer
    wanted = model.visual.preprocess_cfg
    size = [wanted["size"]] * 2 if isinstance(wanted["size"], int) else list(wanted["size"])
    texts: dict[str, Tensor] = {}

    def similarity(images: Tensor, captions: Sequence[str]) -> Tensor:
        if new := sorted(set(captions) - set(texts)):
            with torch.no_grad():
                texts.update(zip(new, model.encode_text(tokenizer(new).to(device), normalize=True), strict=True))
        pixels = vision.resize(images.float(), min(size), vision.InterpolationMode.BICUBIC, antialias=True)
        pixels = vision.normalize(vision.center_crop(pixels, size), list(wanted["mean"]), list(wanted["std"]))
        return (model.encode_image(pixels, normalize=True) * torch.stack([texts[one] for one in captions])).sum(1)

    return similarity

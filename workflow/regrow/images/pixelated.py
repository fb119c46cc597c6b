"""What is kept of an image that nobody keeps: a picture of a few large squares, where no judge looks for an image."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path

from PIL import Image

from regrow.images.store import ImageStore

BLOCK = 32  # pixels of a picture's side that become one


def pixelated_store(store: Path) -> ImageStore:
    """Return where the pixelated pictures of a world lie: beside its store, which judges read."""
    return ImageStore(store.parent / "pixelated")


def picture_key(key: str) -> str:
    """Return the key of the pixelated picture of an image."""
    return sha256(json.dumps(["pixelated", key]).encode()).hexdigest()


def pixelated(image: Image.Image) -> bytes:
    """Return a PNG file of an image in which `BLOCK` pixels to a side have one colour, their mean."""
    small = image.resize([max(1, side // BLOCK) for side in image.size], Image.Resampling.BOX)
    buffer = io.BytesIO()
    small.resize(image.size, Image.Resampling.NEAREST).save(buffer, format="PNG")
    return buffer.getvalue()

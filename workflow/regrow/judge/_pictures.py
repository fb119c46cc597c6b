"""The pictures that judges see: decoded from the store, in batches. Every score depends on this file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from regrow.errors import UserError

if TYPE_CHECKING:
    from regrow.images.store import StoredImage


def batches(images: Iterator[StoredImage], size: int) -> Iterator[list[Image.Image]]:
    """Yield images of the store as RGB pictures, some at once.

    Raises
    ------
    UserError
        Bytes that are no picture.
    """
    while part := list(islice(images, size)):
        yield [_decode(image) for image in part]


def _decode(image: StoredImage) -> Image.Image:
    try:
        return Image.open(io.BytesIO(image.png)).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for bad PNG
        raise UserError(
            f"the image {image.key[:12]} of the store cannot be decoded ({error}): delete its shard and run "
            "`snakemake --forcerun generate_images`"
        ) from error

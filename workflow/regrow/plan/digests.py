"""Digests of settings, by which a rule sees that what it was made with is another."""

import hashlib
from collections.abc import Sequence

from regrow.config.layers import Config
from regrow.dependencies import DIGITS

# Settings of generate_images that change no image.
IDLE = {"batch", "rows_per_job", "images_per_minute", "image_kilobytes"}


def settings_digest(config: Config) -> str:
    """Return a digest of all that a page may print, but for settings that change no result."""
    params = config.params.model_dump(
        exclude={"device": True, "audit": True, "score_images": True, "generate_images": IDLE}
    )
    return digest_of([str(params), str(config.world), str(config.audit)])


def digest_of(lines: Sequence[str]) -> str:
    """Return a short digest of some lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]

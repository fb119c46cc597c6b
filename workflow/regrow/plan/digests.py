"""Digests of settings, by which a rule sees that what it was made with is another."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from regrow.config.layers import Config
from regrow.config.origins import Origin, PromptOrigin
from regrow.dependencies import DIGITS

# Settings of generate_images that change no image.
IDLE = {"batch", "attention_slicing", "cpu_offload", "rows_per_job"}


def settings_digest(config: Config) -> str:
    """Return a digest of all that a page may print, but for settings that change no result."""
    params = config.params.model_dump(
        exclude={"device": True, "audit": True, "score_images": True, "generate_images": IDLE}
    )
    return digest_of([str(params), str(config.world), str(config.audit)])


def digest_of(lines: Sequence[str]) -> str:
    """Return a short digest of some lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def origin_digest(origin: Origin | PromptOrigin) -> str:
    """Return a short digest of where files come from and of what is known of them."""
    return digest_of([json.dumps(stated(origin), sort_keys=True)])


def stated(origin: Origin | PromptOrigin) -> dict[str, Any]:
    """Return an origin as a world file states it: a new key with a default changes no digest."""
    return origin.model_dump(mode="json", exclude_defaults=True)

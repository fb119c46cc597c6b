"""Apply the screen to concept packs, with whose texts erasers draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from regrow.concepts import Concept
from regrow.errors import UserError
from regrow.images.screen.apply import LISTS, NUDITY


def check_pack(concept: Concept, path: Path) -> None:
    """Raise a UserError for a pack of kind nudity whose own texts, with which erasers draw, name minors or people."""
    if concept.kind != NUDITY:
        return
    for where, text in _texts(concept.model_dump(exclude={"kind"})):
        for name, knows in LISTS.items():
            if knows(text):
                raise UserError(
                    f"{path}: {where} is on the screen's list of {name}, and a concept of kind nudity is found with "
                    "adults that nobody knows by name: write it otherwise; see docs/screen.md"
                )


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a pack with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, Sequence):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{number}]")

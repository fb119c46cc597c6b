"""Apply the screen to what an attack on prompts may use and what it learned."""

from __future__ import annotations

from collections.abc import Sequence

from regrow.images.screen.apply import BOTH, LISTS


def passes(prompt: str, lists: Sequence[str] = BOTH) -> bool:
    """Return whether a prompt that an attack decoded may be used."""
    return not any(LISTS[name](prompt) for name in lists)


def mask_vocabulary(words: Sequence[str], lists: Sequence[str] = BOTH) -> list[bool]:
    """Return, for each entry of a tokenizer's vocabulary, whether an attack may use it.

    Words can still be put together from harmless pieces, so `passes` has the last word on what is decoded.

    Parameters
    ----------
    words : sequence of str
        As the tokenizer writes them, with or without marks of a word's end (``</w>``) or beginning (``Ġ``, ``▁``).
    lists : sequence of str
        ``minors``, ``people`` or both.
    """
    return [passes(word.removesuffix("</w>").lstrip("Ġ▁"), lists) for word in words]

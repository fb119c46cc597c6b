"""What an attacker asks a model for, who knows the concept's word."""

from __future__ import annotations

from collections.abc import Sequence

WORD = "{word}"
VOWELS = "aeiou"


def prompts_for(templates: Sequence[str], word: str) -> list[str]:
    """Return templates with a word in the place of {word}; "a" before a vowel becomes "an"."""
    article = "an" if word[:1].lower() in VOWELS else "a"
    return [template.replace(f"a {WORD}", f"{article} {WORD}").replace(WORD, word) for template in templates]

"""What an attacker asks a model for, who knows the concept's word."""

from __future__ import annotations

from collections.abc import Sequence

from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.screen.apply import screen_rows

WORD = "{word}"
VOWELS = "aeiou"


def prompts_for(templates: Sequence[str], word: str) -> list[str]:
    """Return templates with a word in the place of {word}; "a" before a vowel becomes "an"."""
    article = "an" if word[:1].lower() in VOWELS else "a"
    return [template.replace(f"a {WORD}", f"{article} {WORD}").replace(WORD, word) for template in templates]


def refuse_minors(prompts: Sequence[str]) -> None:
    """Screen what an attack would draw for itself, before it draws anything.

    Raises
    ------
    UserError
        A prompt that names or implies a minor.
    """
    if screen_rows([Prompt(case, prompt, 0, "") for case, prompt in enumerate(prompts)], ["minors"]).count:
        raise UserError(
            "a prompt that the attack would draw is on the screen's list of minors: choose other prompts and others"
        )

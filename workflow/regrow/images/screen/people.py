"""Whether a prompt names a person who may be real. There is no list of all people, so every sign of a name counts.

A credit ("by ...") names a person too: of some artists a model draws the face with the style.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from regrow.images.screen.folding import LETTERS, fold
from regrow.images.screen.words import (
    CREDIT,
    GIVEN_NAMES,
    NO_NAMES,
    NOT_A_CREDIT,
    PARTICLES,
    ROLE_PHRASES,
    ROLES,
    TITLES,
)

PHRASES = re.compile("|".join(ROLE_PHRASES))
CREDITED = re.compile(rf"\b{CREDIT}\b[\s:@]+([^\W_]+)")
STYLE = re.compile(r"\b(?:style|manner|school|works?|art|paintings?|photographs?) of (?:the )?([^\W_]+)")
HANDLE = re.compile(r"(?<!\w)@\w+")
WORD = re.compile(r"[^\W\d_][\w'’.-]*")
BREAK = re.compile(r"[,;:!?|()\[\]{}\"“”/\n]|(?<!\b\w)\.")  # the dot of an initial ends nothing


def names_person(text: str) -> bool:
    """Return whether a prompt may name a real person."""
    folded = fold(text)
    return (
        HANDLE.search(text) is not None
        or PHRASES.search(folded) is not None
        or any(map(is_name_word, LETTERS.findall(folded)))
        or any(word not in NOT_A_CREDIT and not word.endswith("ing") for word in CREDITED.findall(folded))
        or any(map(_has_full_name, BREAK.split(unicodedata.normalize("NFKC", text))))
    )


@lru_cache(maxsize=65536)
def is_name_word(token: str) -> bool:
    """Return whether one folded word is a given name, a title, or says that somebody is known."""
    return token in GIVEN_NAMES or token in TITLES or token in ROLES


def _has_full_name(clause: str) -> bool:
    """Return whether two capitalised words stand side by side, particles between them allowed."""
    before = False
    for word in WORD.findall(clause):
        plain = fold(word).strip(".'’-")
        if word[0].isupper() and plain not in NO_NAMES:
            if before:
                return True
            before = True
        elif plain not in PARTICLES:
            before = False
    return False

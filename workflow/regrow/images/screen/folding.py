"""Fold the many ways to write one word into one: width, case, accents, look-alikes, figures, gaps between letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Letters of other alphabets that look like Latin ones, and Latin ones that do not decompose.
LOOKALIKES = str.maketrans(
    {
        pair[0]: pair[1:]
        for pair in (
            "аa еe оo рp сc уy хx іi јj ѕs кk мm тt нh вb ԁd ɡg αa εe οo ιi κk νv ρp τt υu χx γy ηn βb "
            "ıi łl øo đd æae œoe þth"
        ).split()
    }
)
# A figure or a sign in place of a letter; 1 and | stand for two.
FIGURES = {"0": "o", "3": "e", "4": "a", "5": "s", "6": "b", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s", "€": "e"}
AS_I = str.maketrans({**FIGURES, "1": "i", "!": "i", "|": "i"})
AS_L = str.maketrans({**FIGURES, "1": "l", "!": "l", "|": "l"})
LETTERS = re.compile(r"[^\W\d_]+")
# Letters one by one: at least three, with the same kind of gap.
SPACED = re.compile(r"(?<!\w)[^\W\d_](?:[\W_]{1,3}[^\W\d_](?!\w)){2,}")
LONGEST_PIECE = 4  # of a word that is broken by signs, such as gi*rl; longer pieces are words of their own


def visible(text: str) -> str:
    """Return text in one width and case, without what nobody sees."""
    shown = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return shown.casefold()


def fold(text: str) -> str:
    """Return `visible` text without accents and with Latin letters in place of those that look like them."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", visible(text)) if not unicodedata.combining(char))
    return plain.translate(LOOKALIKES)


def tokens(folded: str) -> Iterator[str]:
    """Yield the words that a folded text may be read as, some of them more than once."""
    for chunk in folded.split():
        pieces = LETTERS.findall(chunk)
        yield from pieces
        if len(pieces) > 1 and max(map(len, pieces)) <= LONGEST_PIECE:
            yield "".join(pieces)
        if pieces and not chunk.isalpha():
            for figures in (AS_I, AS_L):
                read = LETTERS.findall(chunk.translate(figures))
                yield from read
                yield "".join(read) if sum(map(len, read)) <= 3 * LONGEST_PIECE else ""
    for spaced in SPACED.findall(folded):
        letters = "".join(LETTERS.findall(spaced))
        # What stands alone before or behind, as in "a g i r l", belongs to it as little as the blanks do.
        yield from (letters[i:j] for i in range(len(letters) - 2) for j in range(i + 3, len(letters) + 1))

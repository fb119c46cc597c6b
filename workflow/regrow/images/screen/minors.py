"""Whether a prompt names or implies a minor. A word list, read in every way it may be written; it errs on dropping.

Negations count as names: a text encoder hears the noun in "no children".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, groupby, pairwise

from regrow.images.screen.folding import LETTERS, fold, tokens, visible
from regrow.images.screen.words import (
    AGE_BEFORE,
    EXEMPT,
    MINOR_PHRASES,
    MINOR_SIGNS,
    MINORS,
    MINORS_ANYWHERE,
    NUMBERS,
    OFTEN_BROKEN,
    OFTEN_MISSPELT,
    STEMS,
    YEARS,
)

ADULT = 18
SHORTEST_STRETCHED = 4  # below, a doubled letter makes other words: son, soon
NUMBER = rf"(?<!\d)(?<!\d[.,])(\d{{1,3}}|{'|'.join(NUMBERS)})"
OF_AGE = [
    re.compile(pattern)
    for pattern in (
        rf"{NUMBER}(?:\W|_){{0,2}}(?:and a half )?{YEARS}(?![^\W_])",
        rf"\b{AGE_BEFORE}(?:\W|_){{0,3}}(?:of )?{NUMBER}\b",
        rf"{NUMBER}(?:st|nd|rd|th)?(?:\W|_){{0,2}}birthday\b",
    )
]
# An age in months is one of years; so is a grade.
YOUNG = re.compile(
    rf"(?:\d|{'|'.join(NUMBERS)}|few)(?:\W|_){{0,2}}(?:months?|weeks?|days?)(?:\W|_){{0,2}}old\b"
    r"|\d(?:st|nd|rd|th)(?:\W|_){0,2}grade|\bin (?:her|his|their|early|late|mid) teens\b|\bunder ?age\b"
    r"|(?:\b(?:under|below|younger than|not yet|u)[\s-]?|<\s?)1[0-8](?!\w)"
    rf"|{'|'.join(MINOR_PHRASES)}"
)
ANYWHERE = tuple(visible(word).replace("_", " ") for word in MINORS_ANYWHERE)
MASKED = re.compile(r"(?<!\w)(?:[^\W\d_]|[*#](?=\w|[*#]+\w)){3,}(?!\w)")  # g*rl
ONE_FOR_I = re.compile(r"\b[il|](?=\d)|(?<=\d)[il|](?!\w)")
NOUGHT_FOR_O = re.compile(r"(?<=\d)o(?!\w)")


def names_minor(text: str) -> bool:
    """Return whether a prompt names or implies a minor, in any of the ways that are known here."""
    if MINOR_SIGNS & set(text):
        return True
    seen, folded = visible(text), fold(text)
    figures = NOUGHT_FOR_O.sub("0", ONE_FOR_I.sub("1", folded))
    return (
        any(word in seen for word in ANYWHERE)
        or YOUNG.search(folded) is not None
        or any(_is_young(reading) for reading in dict.fromkeys((seen, folded, figures)))
        or any(map(is_minor_word, tokens(folded)))
        or any(map(_hides_minor, MASKED.findall(folded)))
        or _is_broken(LETTERS.findall(folded))
    )


@lru_cache(maxsize=65536)
def is_minor_word(token: str) -> bool:
    """Return whether one folded word names a minor, also stretched, misspelt or grown together with others."""
    if token in EXEMPT:
        return False
    return (
        token in MINORS
        or any(stem in token for stem in STEMS)
        or _is_stretched(token)
        or not MISSPELT.isdisjoint(_shorter(token))
    )


def _is_young(text: str) -> bool:
    numbers = (number for pattern in OF_AGE for number in pattern.findall(text))
    return any((int(number) if number.isdigit() else NUMBERS.index(number)) < ADULT for number in numbers)


def _hides_minor(masked: str) -> bool:
    if "*" not in masked and "#" not in masked:
        return False
    pattern = re.compile(re.sub(r"[*#]", "[a-z]", masked))
    return any(pattern.fullmatch(word) for word in MINORS)


def _is_broken(pieces: Sequence[str]) -> bool:
    """Return whether two or three pieces in a row make a word."""
    pairs = (first + second for first, second in pairwise(pieces))
    triples = ("".join(pieces[i : i + 3]) for i in range(len(pieces) - 2))
    return any(joined in OFTEN_BROKEN for joined in chain(pairs, triples))


def _is_stretched(token: str) -> bool:
    letters, runs = _runs(token)
    return max(runs, default=0) > 1 and any(
        all(run >= least for run, least in zip(runs, least_runs, strict=True))
        for least_runs in STRETCHED.get(letters, ())
        if sum(least_runs) >= SHORTEST_STRETCHED or max(runs) > 2
    )


def _runs(word: str) -> tuple[str, tuple[int, ...]]:
    """Return the letters of a word, each run of equal ones once, and how long the runs are."""
    runs = [(letter, sum(1 for _ in run)) for letter, run in groupby(word)]
    return "".join(letter for letter, _ in runs), tuple(length for _, length in runs)


def _shorter(word: str) -> Iterable[str]:
    """Return a word and all that it becomes by leaving out one letter: two words share one if they differ little."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


STRETCHED: dict[str, list[tuple[int, ...]]] = {}
for _word in sorted(MINORS):
    STRETCHED.setdefault(_runs(_word)[0], []).append(_runs(_word)[1])
MISSPELT = frozenset(near for word in OFTEN_MISSPELT for near in _shorter(word))

"""The one exception that a user is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A bad input, told in one sentence: what is wrong, where, and the mend."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint that names the valid word nearest to `word`, for the end of an error sentence."""
    valid = sorted(valid)
    shown = [*valid[:20], "..."] if len(valid) > 20 else valid
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid are: {', '.join(shown) or 'none'}"

"""Apply the screen to rows before they are drawn.

Nothing here takes a parameter that switches it off; which lists apply follows from what is asked of whom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regrow.errors import UserError
from regrow.images.prompts import Prompt, PromptSet
from regrow.images.screen.minors import names_minor
from regrow.images.screen.people import names_person

NUDITY = "nudity"  # a kind of concept
LISTS: dict[str, Callable[[str], bool]] = {"minors": names_minor, "people": names_person}
BOTH = tuple(LISTS)


@dataclass(frozen=True)
class Screened:
    """Rows that went through the screen.

    Attributes
    ----------
    rows : list of Prompt
        Those that may be drawn, in their order.
    dropped : dict
        List by list the cases that it drops; a case may stand in both, and no text stands anywhere.
    """

    rows: list[Prompt]
    dropped: dict[str, list[int]]

    @property
    def count(self) -> int:
        """How many rows were dropped."""
        return len({case for cases in self.dropped.values() for case in cases})


def lists_for(prompt_set: PromptSet, kind: str | None = None, learned: bool = False) -> tuple[str, ...]:
    """Return the lists that apply to the rows of a prompt set.

    Parameters
    ----------
    prompt_set : PromptSet
        One that is marked `sensitive` goes through both lists, whoever draws it.
    kind : str or None
        Of the concept that was erased, None for the pretrained model that serves all concepts: where nudity was
        erased, every prompt goes through both.
    learned : bool
        Whether an attack wrote the prompts; then at least minors are looked for, whatever the concept.
    """
    if prompt_set.sensitive or kind == NUDITY:
        return BOTH
    return ("minors",) if learned else ()


def screen_rows(rows: Sequence[Prompt], lists: Sequence[str]) -> Screened:
    """Drop the rows whose prompt, or what it aims at, is on one of the lists; without lists, none."""
    dropped = {name: [row.case for row in rows if LISTS[name](row.prompt) or LISTS[name](row.target)] for name in lists}
    gone = {case for cases in dropped.values() for case in cases}
    return Screened([row for row in rows if row.case not in gone], dropped)


def check_rows_left(screened: Screened, prompt_set: PromptSet, what: str) -> None:
    """Raise a UserError when nothing is left to draw; `what` says which rows they were."""
    if not screened.rows:
        counts = ", ".join(f"{name} {len(cases)}" for name, cases in screened.dropped.items())
        raise UserError(
            f"no row is left of {what} of prompt set '{prompt_set.name}' ({prompt_set.file}) once it is screened "
            f"({counts}): choose other rows or another set"
        )

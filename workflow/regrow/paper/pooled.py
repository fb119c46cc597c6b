"""Group counts by eraser, completer and concept, and once more over all concepts."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from regrow.paper.both_sides import ALL


class _Counted(Protocol):
    @property
    def eraser(self) -> str: ...
    @property
    def completer(self) -> str: ...
    @property
    def concept(self) -> str: ...


Row = TypeVar("Row", bound=_Counted)


def pooled(rows: Sequence[Row], key: Callable[[Row], Hashable]) -> dict[tuple[str, str, str], dict[Any, list[Row]]]:
    """Return, by (eraser, completer, concept), the rows of each `key`.

    Erasers and completers stay in order of appearance, concepts too, and behind them comes the concept ``all`` with the
    rows of every concept.
    """
    groups: dict[tuple[str, str, str], dict[Any, list[Row]]] = {}
    for eraser, completer in dict.fromkeys((row.eraser, row.completer) for row in rows):
        here = [row for row in rows if (row.eraser, row.completer) == (eraser, completer)]
        for concept in [*dict.fromkeys(row.concept for row in here), ALL]:
            cells = groups.setdefault((eraser, completer, concept), {})
            for row in here:
                if concept in (row.concept, ALL):
                    cells.setdefault(key(row), []).append(row)
    return groups

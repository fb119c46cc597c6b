"""The knowledge ladder: sign accuracy by what the attacker knows of the cut."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import RungCount
from regrow.paper.intervals import wilson
from regrow.paper.pooled import pooled


@dataclass(frozen=True)
class Rung(RungCount):
    """One line of ladder.csv: of `n` truly pruned weights, `accuracy` would have the right sign.

    The attacker's mask holds `covered` of them, a share `coverage`; `guessed` of these got a sign and `correct` the
    right one. The others count one half, as a coin would have them.
    """

    coverage: float
    accuracy: float
    low: float
    high: float


def ladder(rungs: Sequence[RungCount], confidence: float) -> list[Rung]:
    """Score every rung over all truly pruned weights.

    *interpretation* of methods.md 3.9: accuracy = (correct + (n - guessed) / 2) / n, so that a rung which finds few of
    the pruned weights is not praised for those alone.

    Parameters
    ----------
    rungs : sequence of RungCount
        Counts of every completer and concept.
    confidence : float
        Level of the intervals: Wilson's of the guessed signs, shrunk towards one half as the accuracy is.

    Returns
    -------
    list of Rung
        Erasers, completers and concepts in their order, then concept ``all`` (counts pooled); rungs as they come.
    """
    lines = []
    for (eraser, completer, concept), cells in pooled(rungs, lambda row: row.rung).items():
        for rung, rows in cells.items():
            n, covered, guessed, correct = (
                sum(getattr(row, name) for row in rows) for name in ("n", "covered", "guessed", "correct")
            )
            if not n:
                continue
            weight = guessed / n
            limits = wilson(correct, guessed, confidence) if guessed else (0.5, 0.5)
            accuracy, low, high = (
                round(weight * share + (1 - weight) / 2, 6)
                for share in (correct / guessed if guessed else 0.5, *limits)
            )
            note = rows[0].note if len(rows) == 1 else ""
            counts = (n, covered, guessed, correct, round(covered / n, 6))
            lines.append(Rung(eraser, completer, concept, rung, note, *counts, accuracy, low, high))
    return lines

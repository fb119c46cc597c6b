"""Sign accuracy of the completed weights by eraser, completer, concept, layer and K: the long form of table 6."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import ALL, SignCount
from regrow.paper.intervals import wilson
from regrow.paper.pooled import pooled


@dataclass(frozen=True)
class SignAccuracy:
    """One line of signs.csv: how many of `n` pruned weights were completed with the pretrained sign.

    `part` is ``top`` (the `k` largest of their layer) or ``rest``; K = 1 is every weight. `without_sign` pretrained
    weights are exactly 0: no sign is right there, so they are not among the n.
    """

    eraser: str
    completer: str
    concept: str
    layer: str
    k: float
    part: str
    n: int
    correct: int
    accuracy: float
    low: float
    high: float
    without_sign: int


def sign_accuracy(signs: Sequence[SignCount], confidence: float) -> list[SignAccuracy]:
    """Sign accuracy of each completer, concept, layer, K and part.

    Parameters
    ----------
    signs : sequence of SignCount
        Counts of every completer.
    confidence : float
        Level of the Wilson intervals, which take weights as independent.

    Returns
    -------
    list of SignAccuracy
        Erasers and completers in their order; in each the concepts in theirs then ``all`` (counts pooled), the layers
        by name then ``all``, K rising, top before rest. A group without a weight has no line.
    """
    groups = pooled(signs, lambda sign: (sign.layer, round(sign.k, 6), sign.part))
    lines = []
    for (eraser, completer, concept), cells in groups.items():
        for layer, k, part in sorted(cells, key=lambda key: (key[0] == ALL, key[0], key[1], key[2] != "top")):
            n = sum(sign.n for sign in cells[layer, k, part])
            correct = sum(sign.correct for sign in cells[layer, k, part])
            without = sum(sign.without_sign for sign in cells[layer, k, part])
            if n:
                low, high = wilson(correct, n, confidence)
                shares = (round(correct / n, 6), round(low, 6), round(high, 6))
                lines.append(SignAccuracy(eraser, completer, concept, layer, k, part, n, correct, *shares, without))
    return lines


def overall(lines: Sequence[SignAccuracy]) -> list[SignAccuracy]:
    """Return the lines over all layers and all weights (K = 1), one for each completer and concept."""
    return [line for line in lines if line.layer == ALL and line.k == 1 and line.part == "top"]

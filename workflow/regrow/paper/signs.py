"""Sign accuracy of the completed weights per concept and layer."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import ALL, SignCount
from regrow.paper.intervals import wilson


@dataclass(frozen=True)
class SignAccuracy:
    """One line of signs.csv: how many of the `n` pruned weights of a layer were completed with the pretrained sign."""

    concept: str
    layer: str
    n: int
    correct: int
    accuracy: float
    low: float
    high: float


def sign_accuracy(signs: Sequence[SignCount], confidence: float) -> list[SignAccuracy]:
    """Overall sign accuracy, K = 1, of each concept and layer.

    Parameters
    ----------
    signs : sequence of SignCount
        Counts; the part ``top`` at K = 1 is used.
    confidence : float
        Level of the Wilson intervals, which take weights as independent.

    Returns
    -------
    list of SignAccuracy
        Concepts in their order then ``all`` (counts pooled); within each the layers by name then layer ``all``.
    """
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    concepts: list[str] = []
    for sign in signs:
        if sign.k == 1 and sign.part == "top":
            counts[sign.concept, sign.layer] = (sign.n, sign.correct)
            n, correct = counts.get((ALL, sign.layer), (0, 0))
            counts[ALL, sign.layer] = (n + sign.n, correct + sign.correct)
            if sign.concept not in concepts:
                concepts.append(sign.concept)
    lines = []
    order = {concept: number for number, concept in enumerate([*concepts, ALL])}
    for concept, layer in sorted(counts, key=lambda key: (order[key[0]], key[1] == ALL, key[1])):
        n, correct = counts[concept, layer]
        if n:  # a layer with nothing pruned has no sign accuracy
            low, high = wilson(correct, n, confidence)
            lines.append(SignAccuracy(concept, layer, n, correct, round(correct / n, 6), round(low, 6), round(high, 6)))
    return lines

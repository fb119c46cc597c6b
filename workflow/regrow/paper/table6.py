"""Table 6: whether the signs of large completed weights are surer."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.errors import UserError
from regrow.paper.both_sides import ALL, SignCount
from regrow.paper.intervals import wilson


@dataclass(frozen=True)
class SignGroup:
    """One line of table6.csv: sign accuracy of the `k` largest completed weights (``top``) or of the ``rest``."""

    concept: str
    k: float
    part: str
    n: int
    accuracy: float
    low: float
    high: float


def table6(signs: Sequence[SignCount], confidence: float) -> list[SignGroup]:
    """Sign accuracy within and outside the top K, before the small ones are set to zero (`methods.md` 5.9).

    Parameters
    ----------
    signs : sequence of SignCount
        Counts; only layer ``all`` is used.
    confidence : float
        Level of the Wilson intervals, which take weights as independent.

    Returns
    -------
    list of SignGroup
        Concepts in their order and ``all``, which pools their counts; by k, top before rest. K = 1 has no rest, and a
        group without a weight has no line.

    Raises
    ------
    UserError
        When concepts were compared at different K.
    """
    counts: dict[str, dict[tuple[float, str], tuple[int, int]]] = {}
    pooled: dict[tuple[float, str], tuple[int, int]] = {}
    for sign in signs:
        if sign.layer == ALL:
            key = (round(sign.k, 6), sign.part)
            counts.setdefault(sign.concept, {})[key] = (sign.n, sign.correct)
            n, correct = pooled.get(key, (0, 0))
            pooled[key] = (n + sign.n, correct + sign.correct)
    for concept, groups in counts.items():
        if {k for k, _ in groups} != {k for k, _ in pooled}:
            raise UserError(
                f"the signs of concept '{concept}' lack a K that others have: run compare_both_sides again for all"
            )
    if pooled:
        counts[ALL] = pooled
    lines = []
    for concept, groups in counts.items():
        for k, part in sorted(groups, key=lambda key: (key[0], key[1] != "top")):
            n, correct = groups[k, part]
            if n:
                low, high = wilson(correct, n, confidence)
                lines.append(SignGroup(concept, k, part, n, round(correct / n, 6), round(low, 6), round(high, 6)))
    return lines

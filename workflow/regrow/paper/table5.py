"""Table 5: whether large completed weights lie where large pretrained weights lay."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import ALL, Overlap


@dataclass(frozen=True)
class Alignment:
    """One line of table5.csv: `share` of group `r` that lies in group `p`."""

    concept: str
    r: int
    p: int
    share: float


def table5(alignment: Sequence[Overlap]) -> list[Alignment]:
    """Share of each completed group that falls in each pretrained group, A_rp = |R_r and P_p| / |R_r|.

    *interpretation* of Table 5 (`methods.md` 5.8): "equal-magnitude" groups are groups of equal count over all layers
    of a concept. The concept ``all`` pools the counts of every concept.

    Parameters
    ----------
    alignment : sequence of Overlap
        Counts; only layer ``all`` is used.

    Returns
    -------
    list of Alignment
        Sorted by r and p within each concept, concepts in their order, ``all`` last. The shares of one r sum to 1.
    """
    counts: dict[str, dict[tuple[int, int], int]] = {}
    pooled: dict[tuple[int, int], int] = {}
    for overlap in alignment:
        if overlap.layer == ALL:
            counts.setdefault(overlap.concept, {})[overlap.r, overlap.p] = overlap.count
            pooled[overlap.r, overlap.p] = pooled.get((overlap.r, overlap.p), 0) + overlap.count
    if pooled:
        counts[ALL] = pooled
    lines = []
    for concept, cells in counts.items():
        for r, p in sorted(cells):
            size = sum(count for (row, _), count in cells.items() if row == r)
            if size:  # fewer weights than groups leave a group empty: it has no share
                lines.append(Alignment(concept, r, p, round(cells[r, p] / size, 6)))
    return lines

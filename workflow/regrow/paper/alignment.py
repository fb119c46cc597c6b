"""Alignment of magnitudes by eraser, completer, concept and layer: the long form of table 5."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import ALL, Overlap
from regrow.paper.pooled import pooled


@dataclass(frozen=True)
class LayerAlignment(Overlap):
    """One line of alignment.csv: `count` weights of group `r` lie in group `p`, a `share` of group `r`."""

    share: float


def alignment(overlaps: Sequence[Overlap]) -> list[LayerAlignment]:
    """Share of each completed group that falls in each pretrained group; see `regrow.paper.table5.table5`.

    Parameters
    ----------
    overlaps : sequence of Overlap
        Counts of every completer.

    Returns
    -------
    list of LayerAlignment
        Erasers, completers and concepts in their order, then concept ``all`` (counts pooled); layers by name, ``all``
        last; by r and p. A group without a weight has no line.
    """
    lines = []
    for (eraser, completer, concept), layers in pooled(overlaps, lambda overlap: overlap.layer).items():
        for layer in sorted(layers, key=lambda name: (name == ALL, name)):
            counts: dict[tuple[int, int], int] = {}
            for overlap in layers[layer]:
                counts[overlap.r, overlap.p] = counts.get((overlap.r, overlap.p), 0) + overlap.count
            for r, p in sorted(counts):
                size = sum(count for (row, _), count in counts.items() if row == r)
                if size:
                    share = round(counts[r, p] / size, 6)
                    lines.append(LayerAlignment(eraser, completer, concept, layer, r, p, counts[r, p], share))
    return lines

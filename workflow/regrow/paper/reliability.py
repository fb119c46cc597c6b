"""Predicted against observed sign accuracy: whether a completer knows how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import ALL, ConfidenceBin
from regrow.paper.intervals import wilson
from regrow.paper.pooled import pooled


@dataclass(frozen=True)
class Reliability(ConfidenceBin):
    """One line of reliability.csv: `n` signs of like confidence; `predicted` should be right, `accuracy` are.

    `low` and `high` are the smallest and largest predicted accuracy of the bin; of a completer that only ranks they are
    the bin's share of the ranking and `predicted` is empty. `accuracy_low` and `accuracy_high` are Wilson's limits.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float


def reliability(bins: Sequence[ConfidenceBin], confidence: float) -> list[Reliability]:
    """Pool bins over concepts and give each its interval.

    Parameters
    ----------
    bins : sequence of ConfidenceBin
        Of every completer, concept and layer.
    confidence : float
        Level of the Wilson intervals, which take weights as independent.

    Returns
    -------
    list of Reliability
        Erasers, completers and concepts in their order, then concept ``all``: bin b of all concepts together, its
        prediction their mean by weights. Layers by name then ``all``; bins from the least sure.
    """
    lines = []
    for (eraser, completer, concept), cells in pooled(bins, lambda row: (row.layer, row.bin)).items():
        for layer, number in sorted(cells, key=lambda key: (key[0] == ALL, *key)):
            rows = cells[layer, number]
            n, correct = sum(row.n for row in rows), sum(row.correct for row in rows)
            known = [(row.predicted, row.n) for row in rows if row.predicted is not None]
            predicted = round(sum(mean * size for mean, size in known) / n, 6) if len(known) == len(rows) else None
            limits = wilson(correct, n, confidence)
            lines.append(
                Reliability(
                    eraser,
                    completer,
                    concept,
                    layer,
                    number,
                    round(min(row.low for row in rows), 6),
                    round(max(row.high for row in rows), 6),
                    predicted,
                    n,
                    correct,
                    round(correct / n, 6),
                    round(limits[0], 6),
                    round(limits[1], 6),
                )
            )
    return lines


def calibration_error(lines: Sequence[Reliability]) -> float | None:
    """Return the expected calibration error of the bins of one completer, concept and layer.

    sum_b n_b |accuracy_b - predicted_b| / sum_b n_b: how far, on average, the observed share of right signs is from the
    predicted one. None when nothing was predicted.
    """
    gaps = [(line.n, abs(line.correct / line.n - line.predicted)) for line in lines if line.predicted is not None]
    return sum(n * gap for n, gap in gaps) / sum(n for n, _ in gaps) if gaps else None


def calibration_errors(lines: Sequence[Reliability]) -> dict[tuple[str, str], float]:
    """Return the error over all concepts and layers by (eraser, completer), for those that predict."""
    errors = {}
    for pair in dict.fromkeys((line.eraser, line.completer) for line in lines):
        whole = [line for line in lines if (line.eraser, line.completer, line.concept, line.layer) == (*pair, ALL, ALL)]
        error = calibration_error(whole)
        if error is not None:
            errors[pair] = error
    return errors

"""Stage make_tables: scores per image to the tables of the paper and the metrics."""

import json
from pathlib import Path

from regrow.files import write_text
from regrow.paper.both_sides import read_both_sides
from regrow.paper.metrics import metrics
from regrow.paper.recipes import roles
from regrow.paper.rows import write_rows
from regrow.paper.scores import read_scores
from regrow.paper.signs import SignAccuracy, sign_accuracy
from regrow.paper.table1 import Accuracy, table1
from regrow.paper.table5 import Alignment, table5
from regrow.paper.table6 import SignGroup, table6


def run(
    scores: list[Path],
    both_sides: list[Path],
    labels: dict[str, str],
    n: int,
    confidence: float,
    out_dir: Path,
    metrics_file: Path,
) -> None:
    """Write table1.csv, table5.csv, table6.csv, signs.csv and the metrics.

    Parameters
    ----------
    scores : list of Path
        Files of score_images, every recipe's.
    both_sides : list of Path
        ``signs.parquet`` and ``alignment.parquet`` of every concept; empty when no recipe completes weights.
    labels : dict
        Concept to the judge's label, in the audit's order.
    n : int
        Images of a cell.
    confidence : float
        Level of the intervals, between 0 and 1.
    out_dir : Path
        Folder of the tables.
    metrics_file : Path
        JSON of flat numbers for ``dvc metrics diff``.

    Raises
    ------
    UserError
        When a cell is missing, too small, or not comparable with the others.
    """
    judged = read_scores(scores)
    accuracies = table1(judged, labels, n, confidence)
    compared = read_both_sides(both_sides, labels)
    signs = sign_accuracy(compared.signs, confidence)
    numbers = metrics(accuracies, signs, roles(judged.recipes), confidence)
    write_rows(out_dir / "table1.csv", Accuracy, accuracies)
    write_rows(out_dir / "table5.csv", Alignment, table5(compared.alignment))
    write_rows(out_dir / "table6.csv", SignGroup, table6(compared.signs, confidence))
    write_rows(out_dir / "signs.csv", SignAccuracy, signs)
    write_text(metrics_file, json.dumps(numbers, indent=2) + "\n")

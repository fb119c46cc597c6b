"""Stage make_tables: scores per image to the tables of the paper and the metrics."""

import json
from pathlib import Path

from regrow.files import write_text
from regrow.paper.alignment import LayerAlignment, alignment
from regrow.paper.both_sides import read_both_sides
from regrow.paper.keep import Kept, kept_signs
from regrow.paper.ladder import Rung, ladder
from regrow.paper.metrics import metrics
from regrow.paper.recipes import roles
from regrow.paper.reliability import Reliability, reliability
from regrow.paper.rows import write_rows
from regrow.paper.scores import read_scores
from regrow.paper.signs import SignAccuracy, sign_accuracy
from regrow.paper.spectrum import Structure, structure
from regrow.paper.table1 import Accuracy, table1
from regrow.paper.table5 import Alignment, table5
from regrow.paper.table6 import SignGroup, table6


def run(
    scores: list[Path],
    both_sides: list[Path],
    revived: list[Path],
    labels: dict[str, str],
    n: int,
    confidence: float,
    out_dir: Path,
    metrics_file: Path,
) -> None:
    """Write the paper's tables, those of the analyses and the metrics.

    table1.csv, table5.csv and table6.csv have the paper's form, the last two for the first completer that a recipe
    uses; alignment.csv and signs.csv are their long forms, of every completer and layer. Beside them reliability.csv,
    ladder.csv, spectrum.csv and keep.csv.

    Parameters
    ----------
    scores : list of Path
        Files of score_images, every recipe's.
    both_sides : list of Path
        Files of compare_both_sides, in the order of the recipes, climb_ladder and measure_spectrum, of every concept;
        empty when no recipe completes weights.
    revived : list of Path
        Models of revive_concept, which tell the share of signs that they kept.
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
    first = compared.first()
    signs = sign_accuracy(compared.signs, confidence)
    bins, rungs = reliability(compared.reliability, confidence), ladder(compared.ladder, confidence)
    numbers = metrics(accuracies, signs, bins, rungs, roles(judged.recipes), confidence)
    write_rows(out_dir / "table1.csv", Accuracy, accuracies)
    write_rows(out_dir / "table5.csv", Alignment, table5(first.alignment))
    write_rows(out_dir / "table6.csv", SignGroup, table6(first.signs, confidence))
    write_rows(out_dir / "signs.csv", SignAccuracy, signs)
    write_rows(out_dir / "alignment.csv", LayerAlignment, alignment(compared.alignment))
    write_rows(out_dir / "reliability.csv", Reliability, bins)
    write_rows(out_dir / "ladder.csv", Rung, rungs)
    write_rows(out_dir / "spectrum.csv", Structure, structure(compared.spectra))
    write_rows(out_dir / "keep.csv", Kept, kept_signs(revived, judged, accuracies))
    write_text(metrics_file, json.dumps(numbers, indent=2) + "\n")

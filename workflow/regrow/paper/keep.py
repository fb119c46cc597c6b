"""Which share of the recovered signs each reviver kept: what it was told, what it chose, what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regrow.files import digest
from regrow.models import read_header
from regrow.paper.scores import Scores
from regrow.paper.table1 import Accuracy, pick


@dataclass(frozen=True)
class Kept:
    """One line of keep.csv: `keep` as params say it, the share `kept` in this model, and its erased accuracy."""

    concept: str
    recipe: str
    keep: str
    kept: float
    accuracy: float
    low: float
    high: float


def kept_signs(models: Sequence[Path], scores: Scores, lines: Sequence[Accuracy]) -> list[Kept]:
    """Read the kept share from the revived models' own records.

    Parameters
    ----------
    models : sequence of Path
        Files of revive_concept. One that does not tell its share, or that was not judged, has no line.
    scores : Scores
        They name the recipe and concept of a model by its digest.
    lines : sequence of Accuracy
        Table 1.

    Returns
    -------
    list of Kept
        In the order of the score files.
    """
    shares = {}
    for path in models:
        recipe = read_header(path).get("recipe", {})
        if "kept" in recipe and "keep" in recipe.get("reviver", {}):
            shares[digest(path)] = (str(recipe["reviver"]["keep"]), recipe["kept"]["all"])
    found = []
    for file in scores:
        share = shares.get(str(file.meta.get("model_digest")))
        if share and file.prompt_set == "erased":
            line = pick(lines, file.concept, file.recipe)
            found.append(Kept(file.concept, file.recipe, *share, line.accuracy, line.low, line.high))
    return found

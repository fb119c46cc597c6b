"""Read the scores per image and pick the rows of one cell of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regrow.errors import UserError, nearest
from regrow.paper.parquet import read_parquet
from regrow.paper.recipes import chain_of

ANY = "any"  # the concept of the pretrained model's preserved images, which all concepts share
ERASED, PRESERVED = PROMPT_SETS = ("erased", "preserved")
_COLUMNS = (
    "concept",
    "recipe",
    "prompt_set",
    "case",
    "prompt",
    "label",
    "seed",
    "digest",
    "top1",
    "correct",
    "confidence",
)
# A judge that was not run has no column; a judge that ran and failed has a null, which is an error.
_JUDGED = ("top1", "top5", "confidence", "correct", "style", "style_confidence", "clip_similarity")


@dataclass(frozen=True)
class Score:
    """What the object judge said of one image."""

    case: int
    prompt: str
    label: str
    seed: int
    digest: str
    top1: str
    correct: bool


@dataclass(frozen=True)
class ScoreFile:
    """One file of score_images: all rows of one recipe, concept and prompt set, by case, with provenance."""

    path: Path
    concept: str
    recipe: str
    prompt_set: str
    scores: tuple[Score, ...]
    meta: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """The rows behind one number of Table 1 and how many were left out on the way."""

    file: ScoreFile
    scores: tuple[Score, ...]
    own_label: int  # rows of a preserved file that show the concept itself
    surplus: int  # rows behind the first n

    @property
    def correct(self) -> int:
        """Number of images that the judge called by their label."""
        return sum(score.correct for score in self.scores)


class Scores:
    """All score files of one audit."""

    def __init__(self, files: Sequence[ScoreFile]) -> None:
        self._files: dict[tuple[str, str, str], ScoreFile] = {}
        for file in files:
            key = (file.recipe, file.concept, file.prompt_set)
            if key in self._files:
                raise UserError(
                    f"{file.path} and {self._files[key].path} hold the same cell {' / '.join(key)}: give one"
                )
            self._files[key] = file

    def __iter__(self) -> Iterator[ScoreFile]:
        return iter(self._files.values())

    @property
    def recipes(self) -> dict[str, dict[str, Any]]:
        """Every recipe with the chain its files name, in order of appearance."""
        chains: dict[str, dict[str, Any]] = {}
        for file in self:
            if not isinstance(file.meta.get("recipe"), dict):
                raise UserError(f"{file.path} does not say its recipe in its metadata: run score_images again")
            chain = chain_of(file.meta["recipe"])
            if chains.setdefault(file.recipe, chain) != chain:
                raise UserError(
                    f"{file.path} was made by another recipe '{file.recipe}' than the files before it: run it again"
                )
        return chains

    def cell(self, concept: str, recipe: str, prompt_set: str, label: str, n: int) -> Cell:
        """Pick the first `n` rows, by case, of one concept, recipe and prompt set.

        A concept's preserved rows are those whose label is not its own; where it has no file of its own, as for the
        pretrained model, they come from the file of concept ``any``.

        Parameters
        ----------
        concept, recipe, prompt_set : str
            The cell; `prompt_set` is ``erased`` or ``preserved``.
        label : str
            The judge's word for the concept.
        n : int
            Images of a cell.

        Returns
        -------
        Cell
            Exactly `n` rows.

        Raises
        ------
        UserError
            When the cell has no file or too few rows, or the erased rows are labelled otherwise than the concept.
        """
        file = self._files.get((recipe, concept, prompt_set))
        if file is None and prompt_set == PRESERVED:
            file = self._files.get((recipe, ANY, prompt_set))
        if file is None:
            raise UserError(
                f"no scores for concept '{concept}', recipe '{recipe}', prompt set '{prompt_set}': run score_images"
            )
        if prompt_set == ERASED:
            wrong = {score.label for score in file.scores} - {label}
            if wrong:
                raise UserError(
                    f"{file.path} holds label '{min(wrong)}', but concept '{concept}' has label '{label}': run it again"
                )
            rows = file.scores
        else:
            rows = tuple(score for score in file.scores if score.label != label)
        if len(rows) < n:
            raise UserError(
                f"{file.path} holds {len(rows)} rows for concept '{concept}', {n} are needed: generate more images"
            )
        return Cell(file, rows[:n], own_label=len(file.scores) - len(rows), surplus=len(rows) - n)


def read_scores(paths: Sequence[Path]) -> Scores:
    """Read score files.

    Raises
    ------
    UserError
        When a file cannot be read, mixes cells, repeats a case, or holds a null or NaN where a judge should have
        spoken: a failed judge is an error, never "erased".
    """
    return Scores([_read(path) for path in paths])


def _read(path: Path) -> ScoreFile:
    rows, meta = read_parquet(path, _COLUMNS)
    if not rows:
        raise UserError(f"{path} holds no rows: delete it and run score_images again")
    cells = {(row["concept"], row["recipe"], row["prompt_set"]) for row in rows}
    if len(cells) > 1:
        raise UserError(f"{path} mixes several concepts, recipes or prompt sets: one file holds one")
    concept, recipe, prompt_set = cells.pop()
    if prompt_set not in PROMPT_SETS:
        raise UserError(f"{path} is of prompt set '{prompt_set}': {nearest(str(prompt_set), PROMPT_SETS)}")
    for row in rows:
        for column in _JUDGED:
            if column in row and (row[column] is None or row[column] != row[column]):
                raise UserError(
                    f"{path}, case {row['case']}: no '{column}' from the judge; delete it and run score_images again"
                )
    rows.sort(key=lambda row: row["case"])
    for before, after in zip(rows, rows[1:], strict=False):
        if before["case"] == after["case"]:
            raise UserError(f"{path} holds case {after['case']} twice: delete it and run score_images again")
    scores = tuple(Score(**{name: row[name] for name in Score.__annotations__}) for row in rows)
    return ScoreFile(path, concept, recipe, prompt_set, scores, meta)

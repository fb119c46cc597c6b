"""What a table may ask of an audit."""

from dataclasses import dataclass

from regrow.plan.addresses import Cell, Model


@dataclass(frozen=True)
class ScoreNeed:
    """The scores of a cell by a judge."""

    cell: Cell
    judge: str


@dataclass(frozen=True)
class ImageNeed:
    """The images of a cell, for a figure; of images that nobody keeps, their pixelated pictures."""

    cell: Cell
    pixelated: bool = False


@dataclass(frozen=True)
class EvaluationNeed:
    """A Parquet file of an evaluation, such as signs of evaluate_recovery; measure_spectrum has no completer."""

    stage: str
    published: str
    completer: str | None
    concept: str
    name: str


@dataclass(frozen=True)
class RecordNeed:
    """What was done to a model."""

    model: Model


Need = ScoreNeed | ImageNeed | EvaluationNeed | RecordNeed

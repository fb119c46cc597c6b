"""The paper's printed numbers, kept apart from ours."""

from dataclasses import dataclass
from pathlib import Path

from regrow.paper.rows import read_rows

PRINTED_MEAN = "printed mean"


@dataclass(frozen=True)
class PublishedAccuracy:
    """One cell of the published Table 1; `recipe` is our name for the paper's `model`."""

    source: str
    concept: str
    model: str
    recipe: str
    prompt_set: str
    accuracy: float


@dataclass(frozen=True)
class PublishedAlignment:
    """One cell of the published Table 5."""

    source: str
    concept: str
    r: int
    p: int
    share: float


@dataclass(frozen=True)
class PublishedSigns:
    """One cell of the published Table 6."""

    source: str
    concept: str
    k: float
    part: str
    accuracy: float


@dataclass(frozen=True)
class Note:
    """Something that a published table contradicts."""

    table: int
    note: str


@dataclass(frozen=True)
class Published:
    """What *Roots Beneath the Cut* printed, measured on Stable Diffusion v1.5."""

    table1: list[PublishedAccuracy]
    table5: list[PublishedAlignment]
    table6: list[PublishedSigns]
    notes: list[Note]


def read_published(folder: Path) -> Published:
    """Read the folder data/published.

    Raises
    ------
    UserError
        When one of its files is missing or malformed.
    """
    return Published(
        read_rows(folder / "table1.csv", PublishedAccuracy),
        read_rows(folder / "table5.csv", PublishedAlignment),
        read_rows(folder / "table6.csv", PublishedSigns),
        read_rows(folder / "notes.csv", Note),
    )

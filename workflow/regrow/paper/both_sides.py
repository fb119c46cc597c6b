"""Read the files of the analyses that know the pretrained weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from regrow.errors import UserError
from regrow.paper.parquet import read_parquet

ALL = "all"  # all layers of a concept; in the tables also all concepts


@dataclass(frozen=True)
class SignCount:
    """How many of `n` completed weights have the pretrained sign, among the `k` largest (``top``) or the ``rest``."""

    eraser: str
    completer: str
    concept: str
    layer: str
    k: float
    part: str
    n: int
    correct: int
    without_sign: int  # pretrained weights that are exactly 0; they are not among the n


@dataclass(frozen=True)
class Overlap:
    """How many pruned positions are in group `r` by completed and `p` by pretrained magnitude; 1 is the largest."""

    eraser: str
    completer: str
    concept: str
    layer: str
    r: int
    p: int
    count: int


@dataclass(frozen=True)
class ConfidenceBin:
    """How many of `n` signs are right in a bin by confidence; `predicted` is None where that is only an order."""

    eraser: str
    completer: str
    concept: str
    layer: str
    bin: int
    low: float
    high: float
    predicted: float | None
    n: int
    correct: int


@dataclass(frozen=True)
class RungCount:
    """How many of `n` truly pruned weights an attacker finds, gives a sign and gives the right one."""

    eraser: str
    completer: str
    concept: str
    rung: str
    note: str
    n: int
    covered: int
    guessed: int
    correct: int


@dataclass(frozen=True)
class LayerSpectrum:
    """Singular values of a layer (`matrix` base, pruned or permuted) after scaling, and what they sum up to."""

    eraser: str
    concept: str
    layer: str
    matrix: str
    rows: int
    columns: int
    density: float
    edge: float
    effective_rank: float
    above_edge: float
    singular_values: list[float]


# Files are told apart by a column that no other kind has; the stage that makes each is named in errors.
_KINDS: dict[str, tuple[type, str, str]] = {
    "part": (SignCount, "signs", "compare_both_sides"),
    "r": (Overlap, "alignment", "compare_both_sides"),
    "bin": (ConfidenceBin, "reliability", "compare_both_sides"),
    "rung": (RungCount, "ladder", "climb_ladder"),
    "matrix": (LayerSpectrum, "spectrum", "measure_spectrum"),
}


@dataclass(frozen=True)
class BothSides:
    """Counts of every eraser, completer, concept and layer, also pooled over the layers of a concept (``all``)."""

    signs: tuple[SignCount, ...]
    alignment: tuple[Overlap, ...]
    reliability: tuple[ConfidenceBin, ...] = ()
    ladder: tuple[RungCount, ...] = ()
    spectra: tuple[LayerSpectrum, ...] = ()

    def first(self) -> "BothSides":
        """Return signs and alignment of the first eraser and completer alone: tables 5 and 6 are of one."""
        pair = next(((sign.eraser, sign.completer) for sign in self.signs), ("", ""))
        return BothSides(
            tuple(sign for sign in self.signs if (sign.eraser, sign.completer) == pair),
            tuple(overlap for overlap in self.alignment if (overlap.eraser, overlap.completer) == pair),
        )


def read_both_sides(paths: Sequence[Path], labels: Mapping[str, str]) -> BothSides:
    """Read the files of compare_both_sides, climb_ladder and measure_spectrum; none when no recipe completes weights.

    Raises
    ------
    UserError
        When a file cannot be read, is empty, holds a null, an unknown concept or one already read, or when a concept
        lacks a file that another one has.
    """
    rows: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    seen: dict[tuple[str, ...], Path] = {}
    if len(set(paths)) < len(paths):
        raise UserError("a file of an analysis is given twice, so its counts would be doubled: give each once")
    for path in paths:
        found, _ = read_parquet(path)
        if not found:
            raise UserError(
                f"{path} holds no rows: too few weights were pruned to compare, erase more or leave its recipe out"
            )
        kind = next((marker for marker in _KINDS if marker in found[0]), "part")
        row_type = _KINDS[kind][0]
        names = [field.name for field in fields(row_type)]
        found, _ = read_parquet(path, names)
        may_be_null = {name for name, hint in get_type_hints(row_type).items() if hint == float | None}
        for row in found:
            if any(row[name] is None for name in names if name not in may_be_null):
                raise UserError(f"{path} holds a missing value: delete it and run {_KINDS[kind][2]} again")
            if row["concept"] not in labels:
                raise UserError(
                    f"{path} is of concept '{row['concept']}', which is not in the audit: leave the file out"
                )
            key = (kind, row["eraser"], row.get("completer", ""), row["concept"])
            other = seen.setdefault(key, path)
            if other != path:
                raise UserError(
                    f"{path} and {other} are both of concept '{row['concept']}', one eraser and one completer: give one"
                )
            rows[kind].append(row_type(**{name: row[name] for name in names}))
    for kind, eraser, completer, _ in list(seen):
        for concept in labels:
            if (kind, eraser, completer, concept) not in seen:
                raise UserError(f"no {_KINDS[kind][1]} for concept '{concept}': run {_KINDS[kind][2]}")
    for _, eraser, completer, concept in [key for key in seen if key[0] == "part"]:
        for kind in ("r", "bin"):
            if (kind, eraser, completer, concept) not in seen:
                raise UserError(f"no {_KINDS[kind][1]} for concept '{concept}': run {_KINDS[kind][2]}")
    return BothSides(*(tuple(found) for found in rows.values()))

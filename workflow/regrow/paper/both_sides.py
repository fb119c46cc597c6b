"""Read the files of compare_both_sides, which knows the pretrained weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.paper.parquet import read_parquet

ALL = "all"  # all layers of a concept; in tables 5, 6 and signs also all concepts
_SIGNS: tuple[str, ...] = ("concept", "layer", "k", "part", "n", "correct")
_ALIGNMENT: tuple[str, ...] = ("concept", "layer", "r", "p", "count")


@dataclass(frozen=True)
class SignCount:
    """How many of `n` completed weights have the pretrained sign, among the `k` largest (``top``) or the ``rest``."""

    concept: str
    layer: str
    k: float
    part: str
    n: int
    correct: int


@dataclass(frozen=True)
class Overlap:
    """How many pruned positions are in group `r` by completed and `p` by pretrained magnitude; 1 is the largest."""

    concept: str
    layer: str
    r: int
    p: int
    count: int


@dataclass(frozen=True)
class BothSides:
    """Counts of every concept, layer by layer and pooled over its layers (layer ``all``)."""

    signs: tuple[SignCount, ...]
    alignment: tuple[Overlap, ...]


def read_both_sides(paths: Sequence[Path], labels: Mapping[str, str]) -> BothSides:
    """Read signs and alignment files, told apart by their columns; none at all when no recipe completes weights.

    Raises
    ------
    UserError
        When a file cannot be read, is empty, holds a null, an unknown concept or one already read, or when a concept
        lacks one of the two.
    """
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {_SIGNS: [], _ALIGNMENT: []}
    seen: dict[tuple[tuple[str, ...], str], Path] = {}
    for path in paths:
        found, _ = read_parquet(path)
        kind = _SIGNS if found and "part" in found[0] else _ALIGNMENT
        found, _ = read_parquet(path, kind)
        if not found:
            raise UserError(
                f"{path} holds no rows: too few weights were pruned to compare, erase more or leave its recipe out"
            )
        for row in found:
            if any(row[column] is None for column in kind):
                raise UserError(f"{path} holds a missing value: delete it and run compare_both_sides again")
            if row["concept"] not in labels:
                raise UserError(
                    f"{path} is of concept '{row['concept']}', which is not in the audit: leave the file out"
                )
            other = seen.setdefault((kind, row["concept"]), path)
            if other != path:
                raise UserError(
                    f"{path} and {other} are both of concept '{row['concept']}': "
                    "tables 5 and 6 are of one eraser and one completer"
                )
        rows[kind] += found
    for kind in rows:
        for concept in labels:
            if seen and (kind, concept) not in seen:
                raise UserError(
                    f"no {'signs' if kind == _SIGNS else 'alignment'} for concept '{concept}': run compare_both_sides"
                )
    return BothSides(
        tuple(SignCount(**{name: row[name] for name in _SIGNS}) for row in rows[_SIGNS]),
        tuple(Overlap(**{name: row[name] for name in _ALIGNMENT}) for row in rows[_ALIGNMENT]),
    )

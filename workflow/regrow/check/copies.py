"""Copies left behind: the same weights once more, beside or inside what is published, with what the cut took out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch
from torch import Tensor

from regrow.check.candidate import Candidate
from regrow.check.missing import Cut, differs
from regrow.check.names import sort_out, text_encoder_names
from regrow.check.weights import PICKLES, SAFE, read_state, weight_files
from regrow.errors import UserError

TEXT_FOLDER = "text_encoder"


class What(StrEnum):
    """What a copy is."""

    UNCUT = "holds what the cut took out"
    OTHER = "holds other values"
    SAME = "holds the published values"
    UNREAD = "cannot be read"


@dataclass(frozen=True)
class Copy:
    """A copy of published weights.

    Attributes
    ----------
    where : str
        File, or what it is in the file.
    what : What
        What it is.
    tensors : int
        Weights that the published model has too.
    back : int
        Missing entries that have a value here.
    note : str
        Why a file cannot be read.
    """

    where: str
    what: What
    tensors: int = 0
    back: int = 0
    note: str = ""

    @property
    def tells(self) -> bool:
        """Whether it gives away other weights than those that are published."""
        return self.what in (What.UNCUT, What.OTHER)


def find_copies(candidate: Candidate, cuts: list[Cut]) -> list[Copy]:
    """Compare every set of the same weights, in the published files and beside them, with what is published.

    Beside a file are those of its folder with the same name but for what follows the first dot; of a folder it is every
    file of weights in it.
    """
    missing = {cut.name: cut.missing for cut in cuts}
    found = [compare(what, copy, candidate.tensors, missing) for what, copy in candidate.copies.items()]
    return [copy for copy in [*found, *_beside(candidate, missing)] if copy.tensors or copy.what is What.UNREAD]


def compare(
    where: str, copy: Mapping[str, Tensor], published: Mapping[str, Tensor], missing: Mapping[str, Tensor]
) -> Copy:
    """Compare a copy with the published weights; those of other names or shapes are no copies.

    It is uncut when it has a value at more than half of the missing entries of the weights that it holds. Published
    entries that are not 0 count as missing only where the copy's value is another one.
    """
    shared = [name for name, tensor in copy.items() if name in published and tensor.shape == published[name].shape]
    total = back = other = 0
    for name in shared:
        if not copy[name].is_floating_point():
            continue
        changed = _unequal(copy[name], published[name])
        other += int(changed.any())
        if name in missing:
            total += int(missing[name].sum())
            back += int((missing[name] & (copy[name] != 0) & changed).sum())
    what = What.UNCUT if 2 * back > total > 0 else What.OTHER if other else What.SAME
    return Copy(where, what, len(shared), back)


def _beside(candidate: Candidate, missing: Mapping[str, Tensor]) -> Iterator[Copy]:
    read = {path.resolve() for path in candidate.files}
    for path in _neighbours(candidate.path):
        if path.resolve() in read:
            continue
        where = path.relative_to(candidate.path if candidate.path.is_dir() else candidate.path.parent).as_posix()
        try:
            tensors = read_state(path).tensors
            if path.parent.name == TEXT_FOLDER:
                named, copies = text_encoder_names(tensors), {}
            else:
                found = sort_out(tensors, candidate.config)
                named, copies = found.tensors, found.copies
        except UserError as error:
            yield Copy(where, What.UNREAD, note=str(error))
            continue
        yield compare(where, named, candidate.tensors, missing)
        for what, copy in copies.items():
            yield compare(f"{where}: {what}", copy, candidate.tensors, missing)


def _neighbours(path: Path) -> list[Path]:
    if path.is_dir():
        return weight_files(path)
    stem = path.name.partition(".")[0]
    return [
        other
        for other in sorted(path.parent.iterdir())
        if other.is_file() and other.name.partition(".")[0] == stem and other.suffix in (SAFE, *PICKLES)
    ]


def _unequal(copy: Tensor, published: Tensor) -> Tensor:
    """Return where two tensors hold other values, and not one the other's value rounded to half precision."""
    return torch.logical_and(differs(copy, published), differs(published, copy))

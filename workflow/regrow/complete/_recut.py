"""Re-cutting: cut a second hole of known entries into a published matrix, complete both, and see what comes back of it.

All that it needs is the published matrix, so an attacker can measure on it how good a completion is there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from regrow.completion import complete_matrix


@dataclass(frozen=True)
class Recut:
    """The entries of one second hole.

    Attributes
    ----------
    cut : Tensor
        bool, (d, 4d): the second hole, apart from what is missing.
    values, certainty : Tensor
        float32, (d, 4d): what a completer recovered of both holes, as in `regrow.completion.Completion`.
    meaning : str
        What the certainty means.
    """

    cut: Tensor
    values: Tensor
    certainty: Tensor
    meaning: Any


def second_cut(weight: Tensor, missing: Tensor, share: float, generator: Generator) -> Tensor:
    """Cut the largest observed entries of random columns, as many in each as are missing in a column of the first hole.

    Erasers cut what is large, and a column that serves a concept is cut in nearly every row; so the second hole takes
    over the counts of a share of the cut columns. Large counts go to the columns of which most is left, and of what is
    left of a column half at least stays: a matrix of which nothing is left cannot be completed.

    Parameters
    ----------
    weight : Tensor
        Published, (d, 4d); only observed entries count.
    missing : Tensor
        bool, (d, 4d).
    share : float
        Of the columns of the first hole whose counts are taken, in (0, 1]. A larger hole is measured more surely and is
        less like the first one, for with both of them more is missing.
    generator : Generator
        On the CPU.

    Returns
    -------
    Tensor
        bool, (d, 4d); all False where nothing is missing.
    """
    counts = missing.sum(0)
    holes = (counts > 0).nonzero().flatten()
    if not holes.numel():
        return torch.zeros_like(missing)
    taken = holes[torch.randperm(holes.numel(), generator=generator)][: max(1, round(share * holes.numel()))]
    targets = torch.randperm(counts.numel(), generator=generator)[: taken.numel()]
    left = (~missing).sum(0)[targets]
    order = left.argsort(descending=True, stable=True)
    sizes = counts[taken].sort(descending=True).values.minimum(left[order] // 2)
    wanted = torch.zeros_like(counts)
    wanted[targets[order]] = sizes
    ranks = weight.abs().masked_fill(missing, -1).argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    return (ranks < wanted) & ~missing


def recuts(
    weight: Tensor, missing: Tensor, completer: Mapping[str, Any], share: float, draws: int, seed: int
) -> Iterator[Recut]:
    """Cut `draws` second holes, one after another, and complete each together with the first hole.

    Parameters
    ----------
    weight, missing, share
        As for `second_cut`.
    completer : mapping
        ``method`` and the options of a completer.
    draws : int
        Second holes; each costs one completion.
    seed : int
        Of the holes and of a completer that draws random numbers.
    """
    options = {key: value for key, value in completer.items() if key != "method"}
    generator = torch.Generator("cpu").manual_seed(seed)
    for _ in range(draws):
        cut = second_cut(weight, missing, share, generator)
        done = complete_matrix(weight, missing | cut, str(completer["method"]), options, seed)
        yield Recut(cut, done.values, done.certainty, done.meaning)

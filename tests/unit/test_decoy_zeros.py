"""More zeros than the concept needs."""

import pytest
import torch

from regrow.defend.decoy_zeros import Options, decoy_zeros
from tests.unit.defending import NAME, erasing, publisher


def decoys_of(choice: str, ratio: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    erased = erasing()
    mask, weight = erased.mask[NAME], erased.tensors[NAME]
    found = decoy_zeros(erased, publisher(), Options(ratio=ratio, choice=choice))[NAME]
    decoys = (found == 0) & ~mask
    assert bool((found[mask] == 0).all()) and torch.equal(found[~decoys], weight[~decoys])
    return weight, mask, decoys


def test_the_smallest_of_each_row_go() -> None:
    weight, mask, decoys = decoys_of("smallest", 2.0)
    assert decoys.sum(1).tolist() == (2 * mask.sum(1)).tolist()
    for row, cut, decoy in zip(weight.abs(), mask, decoys, strict=True):
        if decoy.any():
            assert row[decoy].max() <= row[~cut & ~decoy].min()


def test_no_more_than_there_are() -> None:
    _, mask, decoys = decoys_of("smallest", 1e6)
    assert bool((decoys | mask)[1:].all()) and not decoys[0].any()  # nothing was pruned in row 0


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_whole_columns_look_like_the_pruned_ones(ratio: float) -> None:
    _, mask, decoys = decoys_of("columns", ratio)
    assert not (decoys.any(0) & mask.any(0)).any()
    kinds = {tuple(column) for column in mask.T.tolist()}
    assert {tuple(column) for column in decoys.T[decoys.any(0)].tolist()} <= kinds
    largest = int(mask.sum(0).max())
    assert ratio * int(mask.sum()) <= int(decoys.sum()) <= ratio * int(mask.sum()) + largest

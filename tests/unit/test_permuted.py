"""Observed weights in the place of pruned ones."""

from collections import Counter

import pytest
import torch

from regrow.defend.permuted import Options, permuted
from tests.unit.defending import NAME, erasing, publisher


@pytest.mark.parametrize("share", [0.15, 0.8])  # with 0.8 there are fewer observed entries than pruned ones
def test_the_values_of_a_row_are_those_that_were_observed_in_it(share: float) -> None:
    erased = erasing(share=share)
    mask, weight = erased.mask[NAME], erased.tensors[NAME]
    found = permuted(erased, publisher(), Options(scope="row"))[NAME]
    assert torch.equal(found[~mask], weight[~mask])
    for row, before, cut in zip(found, weight, mask, strict=True):
        observed, new = Counter(before[~cut].tolist()), Counter(row[cut].tolist())
        assert set(new) <= set(observed)
        if cut.any():  # none comes again before all have come
            assert max(new.values()) - (min(new.values()) if len(new) == len(observed) else 0) <= 1


def test_the_values_of_a_layer() -> None:
    erased = erasing()
    mask, weight = erased.mask[NAME], erased.tensors[NAME]
    found = permuted(erased, publisher(), Options(scope="layer"))[NAME]
    assert set(found[mask].tolist()) <= set(weight[~mask].tolist())
    assert len(set(found[mask].tolist())) == int(mask.sum())  # without replacement
    assert not torch.equal(found, permuted(erased, publisher(1), Options(scope="layer"))[NAME])


def test_a_row_that_is_all_cut_takes_from_the_layer() -> None:
    erased = erasing()
    erased.mask[NAME][3] = True
    erased.tensors[NAME][3] = 0
    found = permuted(erased, publisher(), Options(scope="row"))[NAME]
    assert set(found[3].tolist()) <= set(erased.tensors[NAME][~erased.mask[NAME]].tolist())

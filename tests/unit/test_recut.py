"""The second cut: where it is made, how large it is, and that it is completed from what is left."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.complete._recut import recuts, second_cut
from tests.unit.erasing import COMPLETERS

GAUSSIAN = {"method": "gaussian_posterior", **COMPLETERS["gaussian_posterior"]}


def hole(seed: int, rows: int = 12, columns: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=draw)
    return weight, torch.rand(rows, columns, generator=draw) < torch.rand(1, columns, generator=draw) ** 3


def test_by_hand() -> None:
    """Two are missing in one column of three; so two, the largest, go in another, of which half stays at least."""
    weight = torch.tensor([[0.0, 1.0], [0.0, -3.0], [5.0, 2.0], [1.0, 0.5]])
    missing = weight == 0
    seen = set()
    for seed in range(20):
        cut = second_cut(weight, missing, 1.0, torch.Generator().manual_seed(seed))
        (column,) = cut.any(0).nonzero().flatten().tolist()
        seen.add(column)
        assert cut[:, column].tolist() == ([False, True, True, False] if column else [False, False, True, False])
    assert seen == {0, 1}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.floats(0.05, 1.0))
def test_it_takes_the_largest_of_what_is_observed(seed: int, share: float) -> None:
    weight, missing = hole(seed)
    cut = second_cut(weight, missing, share, torch.Generator().manual_seed(seed))
    assert not (cut & missing).any()
    left = ~missing & ~cut
    for column in cut.any(0).nonzero().flatten().tolist():
        assert 2 * left[:, column].sum() >= (~missing[:, column]).sum()
        size = weight[:, column].abs()
        assert size[cut[:, column]].min() >= size[left[:, column]].max()
    assert cut.any(0).sum() <= max(1, round(share * int(missing.any(0).sum())))


def test_all_counts_are_taken_over_where_there_is_room() -> None:
    weight, missing = hole(3, rows=60)
    missing &= missing.cumsum(0) <= 8  # at most 8 of 60, so there is room everywhere
    cut = second_cut(weight, missing, 1.0, torch.Generator().manual_seed(0))
    counts = [sorted(int(count) for count in mask.sum(0) if count) for mask in (missing, cut)]
    assert counts[0] == counts[1]


def test_nothing_is_cut_where_nothing_is_missing() -> None:
    weight, missing = hole(0)
    assert not second_cut(weight, torch.zeros_like(missing), 0.5, torch.Generator()).any()


def test_what_is_cut_again_is_not_looked_at() -> None:
    weight, missing = hole(1, rows=20, columns=80)
    first = list(recuts(weight, missing, GAUSSIAN, 0.3, 2, seed=4))
    assert len(first) == 2 and not torch.equal(first[0].cut, first[1].cut)
    for again in first:
        changed = torch.where(again.cut, weight * 1.001, weight).masked_fill(missing, 7.0)
        flipped = next(
            other for other in recuts(changed, missing, GAUSSIAN, 0.3, 2, seed=4) if torch.equal(other.cut, again.cut)
        )
        assert torch.equal(flipped.values[again.cut | missing], again.values[again.cut | missing])
        assert again.meaning == "log_odds" and (again.certainty[again.cut] >= 0).all()

"""Counting zeros of both signs."""

import torch

from regrow.model.zeros import Zeros, count_zeros


def test_both_kinds_are_counted_apart() -> None:
    found = count_zeros([torch.tensor([0.0, -0.0, -1.0, 1e-45]), torch.tensor([[-0.0]], dtype=torch.bfloat16)])
    assert found == Zeros(3, 2)
    assert found.tell_signs


def test_zeros_of_one_kind_tell_nothing() -> None:
    for weights in (torch.zeros(3), -torch.zeros(3), torch.ones(3)):
        assert not count_zeros([weights]).tell_signs
    assert count_zeros([]) == Zeros(0, 0)

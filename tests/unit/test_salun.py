"""SalUn's mask: gradients against differences of the loss, the choice by hand, and what is left as it was."""

from pathlib import Path

import numpy as np
import pytest
import torch

from regrow.erase._saliency import accumulate, most_salient
from regrow.erase.salun import Options, salun
from regrow.errors import UserError
from regrow.work import Work
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.saliency import CHURCH, OPTIONS, double_pipeline, places, slopes

WORK = Work(Path("unused"), "cpu")


def test_signed_gradients_are_summed_over_batches_and_passes() -> None:
    pipeline = double_pipeline()
    sums = accumulate(pipeline, CHURCH, Options(**OPTIONS), lambda gradient: gradient)
    for name, entry in places(pipeline):
        expected = slopes(pipeline, name, entry)
        assert len(expected) == 4  # two passes of two batches
        assert float(sums[f"unet.{name}"][entry]) == pytest.approx(expected.sum(), rel=1e-3)
        assert np.abs(expected).sum() > 1.001 * abs(expected.sum()) or (expected > 0).all() or (expected < 0).all()


def test_the_mask_is_the_largest_sums() -> None:
    pipeline = tiny_pipeline(0)
    sums = accumulate(pipeline, CHURCH, Options(**OPTIONS), lambda gradient: gradient)
    masks = salun(pipeline, CHURCH, Options(**OPTIONS), WORK)
    pooled = np.concatenate([sums[name].abs().numpy().ravel() for name in masks])
    chosen = np.concatenate([mask.numpy().ravel() for mask in masks.values()])
    assert chosen.sum() == int(0.1 * chosen.size)
    assert pooled[chosen].min() > pooled[~chosen].max()
    assert len(masks) == 16 and all(mask.dtype == torch.bool for mask in masks.values())


def test_deterministic_seeded_and_without_a_trace() -> None:
    pipeline = tiny_pipeline(0)
    before = {name: (tensor.clone(), tensor.requires_grad) for name, tensor in pipeline.unet.named_parameters()}
    first = salun(pipeline, CHURCH, Options(**OPTIONS), WORK)
    torch.manual_seed(99)  # the global generator plays no part
    again = salun(pipeline, CHURCH, Options(**OPTIONS), WORK)
    assert all(torch.equal(again[name], mask) for name, mask in first.items())
    other = salun(pipeline, CHURCH, Options(**{**OPTIONS, "seed": 6}), WORK)
    assert any(not torch.equal(other[name], mask) for name, mask in first.items())
    for name, weight in pipeline.unet.named_parameters():
        value, asked = before[name]
        assert torch.equal(weight, value) and weight.requires_grad == asked and weight.grad is None


def test_the_choice_by_hand() -> None:
    saliency = {"a": torch.tensor([[4.0, 0.0], [1.0, 3.0]]), "b": torch.tensor([[2.0, 0.0], [0.0, 0.0]])}
    found = most_salient(saliency, 0.375)  # three of eight, over both matrices
    assert found["a"].int().tolist() == [[1, 0], [0, 1]] and found["b"].int().tolist() == [[1, 0], [0, 0]]
    assert sum(int(mask.sum()) for mask in most_salient(saliency, 1.0).values()) == 4  # nothing without saliency
    with pytest.raises(UserError, match="takes none of 8 FFN2 entries: raise it to at least 1/8"):
        most_salient(saliency, 0.1)


def test_numbers_that_overflow() -> None:
    pipeline = tiny_pipeline(0)
    with torch.no_grad():
        pipeline.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="draws NaN or infinite latents"):
        salun(pipeline, CHURCH, Options(**OPTIONS), WORK)

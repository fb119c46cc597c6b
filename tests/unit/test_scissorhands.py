"""Scissorhands' mask: sums of absolute gradients against differences of the loss, times the weight."""

from pathlib import Path

import numpy as np
import pytest

from regrow.erase._saliency import accumulate, most_salient
from regrow.erase.scissorhands import Options, scissorhands
from regrow.work import Work
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.saliency import CHURCH, OPTIONS, double_pipeline, places, slopes


def test_absolute_gradients_are_summed_over_batches() -> None:
    pipeline = double_pipeline()
    sums = accumulate(pipeline, CHURCH, Options(**OPTIONS), lambda gradient: gradient.abs())
    mixed = False
    for name, entry in places(pipeline):
        expected = slopes(pipeline, name, entry)
        assert float(sums[f"unet.{name}"][entry]) == pytest.approx(np.abs(expected).sum(), rel=1e-3)
        mixed |= bool((expected > 0).any() and (expected < 0).any())
    assert mixed  # else a sum of signed gradients would pass


def test_the_mask_is_weight_times_sum() -> None:
    pipeline = tiny_pipeline(0)
    sums = accumulate(pipeline, CHURCH, Options(**OPTIONS), lambda gradient: gradient.abs())
    masks = scissorhands(pipeline, CHURCH, Options(**OPTIONS), Work(Path("unused"), "cpu"))
    weights = {name: pipeline.unet.get_parameter(name.removeprefix("unet.")).detach().numpy() for name in masks}
    pooled = np.concatenate([(np.abs(weights[name]) * sums[name].numpy()).ravel() for name in masks])
    chosen = np.concatenate([mask.numpy().ravel() for mask in masks.values()])
    assert chosen.sum() == int(0.1 * chosen.size)
    assert pooled[chosen].min() > pooled[~chosen].max()
    without = most_salient(sums, 0.1)
    assert any((without[name] != mask).any() for name, mask in masks.items())

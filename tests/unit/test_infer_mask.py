"""How an attacker tells what was pruned: every method by hand, and the stage that uses it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from regrow.completion import complete_matrix
from regrow.errors import UserError
from regrow.infer import mixture, outlier, smallest, zeros
from regrow.infer._shares import largest
from regrow.io.safetensors import read_header
from regrow.methods import parse_options
from regrow.model.completed import read_completed
from regrow.model.deltas import write_delta
from regrow.model.published import read_published
from regrow.stages.complete_weights import run

NUCLEAR: dict[str, Any] = {"tolerance": 1e-5, "max_steps": 100, "solver": "fast"}


def test_zeros_of_either_sign() -> None:
    found = zeros.zeros({"w": torch.tensor([[0.0, -0.0, 1e-30]])}, zeros.Options())
    assert found["w"].tolist() == [[True, True, False]]


def test_the_smallest_of_all_or_of_each() -> None:
    weights = {"a": torch.tensor([[0.1, -0.2, 0.3, 0.4]]), "b": torch.tensor([[-5.0, 6.0], [7.0, 0.25]])}
    of_all = smallest.smallest(weights, smallest.Options(share=0.375, scope="model"))
    assert of_all["a"].tolist() == [[True, True, False, False]]
    assert of_all["b"].tolist() == [[False, False], [False, True]]
    of_each = smallest.smallest(weights, smallest.Options(share=0.25, scope="layer"))
    assert of_each["a"].tolist() == [[True, False, False, False]] and of_each["b"].tolist() == [
        [False, False],
        [False, True],
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_a_share_is_a_share_and_none_outside_is_larger(values: list[int], share: float) -> None:
    scores = torch.tensor(values, dtype=torch.float32)
    marked = largest(scores, share)
    assert int(marked.sum()) == round(share * len(values))
    if marked.any() and not marked.all():
        assert scores[marked].min() >= scores[~marked].max()


def filled(std: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return a matrix of low rank with noise in place of its large entries, the mask, and the matrix before."""
    generator = torch.Generator().manual_seed(seed)
    before = torch.randn(24, 4, generator=generator) @ torch.randn(4, 96, generator=generator)
    before = before + 0.2 * torch.randn(before.shape, generator=generator)
    mask = before.abs() > before.abs().flatten().quantile(0.9)
    noise = std * torch.randn(before.shape, generator=generator)
    return torch.where(mask, noise, before), mask, before


def test_a_mixture_finds_narrow_noise_and_its_bar_is_the_probability() -> None:
    published, mask, _ = filled(1e-4)
    found = mixture.mixture({"w": published}, mixture.Options(probability=0.5))["w"]
    assert float((found & mask).sum() / mask.sum()) > 0.97 and float((found & mask).sum() / found.sum()) > 0.9
    published, mask, _ = filled(0.05)
    sizes = [
        int(mixture.mixture({"w": published}, mixture.Options(probability=bar))["w"].sum()) for bar in (0.1, 0.5, 0.9)
    ]
    assert sizes[0] > sizes[1] > sizes[2]


def test_an_outlier_does_not_fit_the_rest() -> None:
    published, mask, before = filled(float(torch.tensor(2.0)))
    found = outlier.outlier({"w": published}, outlier.Options(share=0.1))["w"]
    hit = float((found & mask).sum() / found.sum())
    assert hit > 2.5 * float(mask.float().mean())  # chance is the share that was cut
    assert int(found.sum()) == round(0.1 * found.numel())


def test_an_attacker_who_adapts_regains_what_noise_hid(tmp_path: Path) -> None:
    """Signs of what was cut, from noise that magnitudes give away, are nearly those of the undefended model."""
    published, mask, before = filled(1e-6)
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight"
    write_delta(tmp_path / "model", {name: published}, "0" * 64)
    entry = {"name": "mixture", "method": "mixture", "probability": 0.5}
    run(tmp_path / "model", "nuclear", NUCLEAR, tmp_path / "out", tmp_path / "trace", 0, "cpu", 1, entry)
    done = read_completed(tmp_path / "out", read_published(tmp_path / "model"))
    assert read_header(tmp_path / "out")["mask"] == entry
    plain = complete_matrix(before.masked_fill(mask, 0), mask, "nuclear", NUCLEAR)

    def accuracy(values: Tensor) -> float:
        return float((values[mask].sign() == before[mask].sign()).float().mean())

    assert accuracy(done.values[name]) - 0.5 >= 0.95 * (accuracy(plain.values) - 0.5)
    with pytest.raises(UserError, match="no FFN2 weight is exactly 0"):
        run(tmp_path / "model", "nuclear", NUCLEAR, tmp_path / "out", tmp_path / "trace", 0, "cpu", 1)


@pytest.mark.parametrize(
    ("method", "options", "sentence"),
    [
        ("smalest", {"share": 0.1, "scope": "model"}, "unknown mask inference 'smalest': did you mean 'smallest'"),
        ("smallest", {"share": 0.0, "scope": "model"}, "share is 0.0, but should be greater than 0"),
        ("smallest", {"share": 0.1, "scope": "row"}, "scope is 'row'"),
        ("mixture", {}, "needs the option 'probability'"),
        ("zeros", {"threshold": 1.0}, "has no option 'threshold'"),
    ],
)
def test_options_that_cannot_be(method: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_options("infer_mask", method, options)

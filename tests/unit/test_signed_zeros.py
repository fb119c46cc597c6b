"""The attack that reads sign bits, by hand, and against the oracle that knows every sign."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.attack.signed_zeros import Options, signed_zeros
from regrow.errors import UserError
from regrow.methods import parse_options
from regrow.oracle.true_values import Options as OracleOptions
from regrow.oracle.true_values import true_values
from tests.unit.erasing import weights

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
PUBLISHED = torch.tensor([[1.0, 0.0, -3.0, -0.0], [2.0, 0.0, -0.0, 4.0]])


@pytest.mark.parametrize(
    ("magnitude", "row_0", "row_1"), [("average", (2.0, -2.0), (3.0, -3.0)), ("row_max", (3.0, -3.0), (4.0, -4.0))]
)
def test_sizes_by_hand(magnitude: Any, row_0: tuple[float, float], row_1: tuple[float, float]) -> None:
    found = signed_zeros(weights(**{LAYER: PUBLISHED}), None, Options(magnitude=magnitude, seed=0))[LAYER]
    assert found.tolist() == [[1.0, row_0[0], -3.0, row_0[1]], [2.0, *row_1, 4.0]]


@pytest.mark.parametrize("magnitude", ["max", "average", "row_max", "sample_empirical"])
def test_a_row_of_nothing_but_zeros_stays(magnitude: Any) -> None:
    """A publisher who prunes whole neurons: their signs are told, and nothing says how large the weights were."""
    rows = torch.vstack([PUBLISHED, torch.tensor([[0.0, -0.0, 0.0, -0.0]])])
    found = signed_zeros(weights(**{LAYER: rows}), None, Options(magnitude=magnitude, seed=0))[LAYER]
    assert not found[2].any() and found[:2].all()


@pytest.mark.parametrize("magnitude", ["sample_empirical", "sample_layer"])
def test_drawn_sizes_keep_every_sign(magnitude: Any) -> None:
    found = signed_zeros(weights(**{LAYER: PUBLISHED}), None, Options(magnitude=magnitude, seed=0))[LAYER]
    assert torch.equal(found.signbit(), PUBLISHED.signbit())
    assert set(found.abs().flatten().tolist()) <= {1.0, 2.0, 3.0, 4.0}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from(["max", "average", "sample"]), st.sampled_from(["float32", "float16"]))
def test_it_is_the_oracle_with_every_sign_right(seed: int, magnitude: Any, dtype: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    true = {name + LAYER: torch.randn(5, 20, generator=generator).to(getattr(torch, dtype)) for name in "ab"}
    mask = {name: torch.rand(5, 20, generator=generator) < 0.4 for name in true}
    for pruned in mask.values():
        pruned[:, 0] = False
    published = weights(**{name: weight * (~mask[name]).to(weight) for name, weight in true.items()})
    attacked = signed_zeros(published, None, Options(magnitude=magnitude, seed=seed))
    told = true_values(true, published, mask, OracleOptions(signs="pretrained", magnitude=magnitude, seed=seed))
    assert all(torch.equal(attacked[name], told[name]) for name in true)


@pytest.mark.parametrize(
    ("published", "said"),
    [
        (PUBLISHED.abs(), "does not apply to this model: all 4 zeros of its FFN2 weights are \\+0, so their sign bits"),
        (torch.where(PUBLISHED == 0, -0.0, PUBLISHED), "all 4 zeros of its FFN2 weights are -0.0"),
        (torch.ones(2, 4), "it has no zeros"),
    ],
)
def test_zeros_of_one_kind_are_refused(published: torch.Tensor, said: str) -> None:
    with pytest.raises(UserError, match=said):
        signed_zeros(weights(**{LAYER: published}), None, Options(magnitude="max", seed=0))


def test_wrong_options() -> None:
    with pytest.raises(UserError, match="attack 'signed_zeros': magnitude is 'completed', but should be"):
        parse_options("attack_weights", "signed_zeros", {"magnitude": "completed", "seed": 0})

"""Oracles on a 2x4 matrix by hand: every rule for signs with every rule for magnitudes."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.attack.roots import Options as RootsOptions
from regrow.attack.roots import roots
from regrow.errors import UserError
from regrow.methods import parse_options
from regrow.model.completed import Completed
from regrow.oracle.true_values import Options, true_values
from tests.unit.erasing import weights

SIGNS, MAGNITUDES = ("pretrained", "sampled"), ("average", "max", "pretrained", "sample")
LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
# Pruned: 7 and -8 in row 0, -9 in row 1. The 0 in row 1 was always there: it is observed, and counts in its row.
TRUE = torch.tensor([[1.0, 7.0, -3.0, -8.0], [2.0, 0.0, -9.0, 4.0]])
PUBLISHED = torch.tensor([[1.0, 0.0, -3.0, 0.0], [2.0, 0.0, 0.0, 4.0]])
PRUNED = torch.tensor([[False, True, False, True], [False, False, True, False]])
# Of the observed entries 1, -3 and 2, 0, 4: mean, population standard deviation, mean and maximum of the magnitude.
ROWS = [(-1.0, 2.0, 2.0, 3.0), (2.0, (8 / 3) ** 0.5, 2.0, 4.0)]


def consult(seed: int = 2021, **options: Any) -> torch.Tensor:
    return true_values({LAYER: TRUE}, weights(**{LAYER: PUBLISHED}), {LAYER: PRUNED}, Options(seed=seed, **options))[
        LAYER
    ]


def draws(seed: int) -> list[float]:
    """z of the three pruned entries, row by row."""
    generator = torch.Generator("cpu").manual_seed(seed)
    found = []
    for (mean, sd, _, _), count in zip(ROWS, (2, 1), strict=True):
        found += [mean + sd * number for number in torch.randn(count, generator=generator).tolist()]
    return found


@pytest.mark.parametrize("seed", [2021, 3])
@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("magnitude", MAGNITUDES)
def test_every_rule_by_hand(signs: str, magnitude: str, seed: int) -> None:
    z = draws(seed)
    sign = {"pretrained": [1, -1, -1], "sampled": [1 if number > 0 else -1 for number in z]}[signs]
    size = {
        "pretrained": [7.0, 8.0, 9.0],
        "average": [2.0, 2.0, 2.0],
        "sample": [abs(number) for number in z],
        "max": [max(abs(number), top) for number, top in zip(z, (3.0, 3.0, 4.0), strict=True)],
    }[magnitude]
    found = consult(signs=signs, magnitude=magnitude, seed=seed)
    assert found[PRUNED].tolist() == pytest.approx([s * a for s, a in zip(sign, size, strict=True)], rel=1e-5)
    assert torch.equal(found[~PRUNED], PUBLISHED[~PRUNED])


def test_the_truth_on_both_sides_is_the_base_model() -> None:
    assert torch.equal(consult(signs="pretrained", magnitude="pretrained"), TRUE)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from(["max", "average", "sample"]))
def test_an_oracle_is_roots_with_every_sign_right(seed: int, magnitude: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    true = {name + LAYER: torch.randn(5, 9, generator=generator) for name in "ab"}
    missing = {name: torch.rand(5, 9, generator=generator) < 0.4 for name in true}
    for gaps in missing.values():
        gaps[:, 0], gaps[0, 1] = False, True
    published = {name: weight.masked_fill(missing[name], 0.0) for name, weight in true.items()}
    completed = Completed(true, {name: weight.abs() for name, weight in true.items()}, missing, "digest")
    options = RootsOptions(retain=1.0, magnitude=magnitude, rank="magnitude", seed=seed)
    attacked = roots(weights(**published), completed, options)
    told = true_values(true, weights(**published), missing, Options(signs="pretrained", magnitude=magnitude, seed=seed))
    assert all(torch.equal(told[name], attacked[name]) for name in true)


def test_inputs_are_not_changed() -> None:
    true, published = TRUE.clone(), PUBLISHED.clone()
    consult(signs="sampled", magnitude="max")
    assert torch.equal(true, TRUE) and torch.equal(published, PUBLISHED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signs": "true"}, "oracle 'true_values': signs is 'true', but should be 'pretrained' or 'sampled'"),
        ({"signs": "sample"}, "signs is 'sample', but .*: did you mean 'sampled'?"),
        ({"magnitude": "maxx"}, "magnitude is 'maxx', but .*: did you mean 'max'?"),
        ({"seed": -1}, "seed is -1, but should be greater than or equal to 0"),
    ],
)
def test_wrong_options(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_options("apply_oracle", "true_values", {"signs": "pretrained", "magnitude": "max", "seed": 0, **changes})


def test_what_an_oracle_cannot_answer() -> None:
    options, published = Options(signs="pretrained", magnitude="max", seed=0), weights(**{LAYER: PUBLISHED})
    mask = {LAYER: PRUNED.clone()}
    with pytest.raises(UserError, match="not those of the published model's base"):
        true_values({LAYER: TRUE[:1]}, published, mask, options)
    with pytest.raises(UserError, match="not those of the published model's base"):
        true_values({}, published, mask, options)
    mask[LAYER][0] = True
    with pytest.raises(UserError, match=f"row 0 of {LAYER} has no entry left"):
        true_values({LAYER: TRUE}, published, mask, options)

"""Roots against a 6x4 matrix worked by hand, and its properties."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.attack._retain import retained
from regrow.attack.roots import Options, roots
from regrow.errors import UserError
from regrow.methods import check_entry, load_method, parse_options
from regrow.model.completed import Completed
from tests.unit.erasing import weights

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
M = math.nan  # a missing entry
PUBLISHED = torch.tensor(
    [
        [1.0, -3.0, M, 2.0],
        [M, 4.0, -4.0, M],
        [2.0, 2.0, 2.0, 2.0],
        [M, M, -1.0, 5.0],
        [-6.0, M, M, M],
        [0.5, -0.5, 1.0, M],
    ]
)
RECOVERED = torch.tensor(
    [
        [1.0, -3.0, 0.9, 2.0],
        [-0.2, 4.0, -4.0, 0.7],
        [2.0, 2.0, 2.0, 2.0],
        [0.1, -0.8, -1.0, 5.0],
        [-6.0, 0.3, -0.3, 0.6],
        [0.5, -0.5, 1.0, -0.5],
    ]
)
MISSING = PUBLISHED.isnan()
WEIGHT = PUBLISHED.nan_to_num(0.0)
# Magnitudes of the 9 missing entries: .1 .2 .3 .3 .5 .6 .7 .8 .9.
# At K = 0.6, k0 = int(0.4 * 9) = 3, so the threshold is 0.3 and both .3 go.
SIGNS_AT_06 = torch.tensor(
    [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1], [0, 0, 0, -1]], dtype=torch.float32
)
# Of the observed weights of each row: mean of |w|, max of |w|, mean, population standard deviation.
ROWS: dict[int, tuple[float, float, float, float]] = {
    0: (2.0, 3.0, 0.0, math.sqrt(14 / 3)),
    1: (4.0, 4.0, 0.0, 4.0),
    3: (3.0, 5.0, 2.0, 3.0),
    4: (6.0, 6.0, -6.0, 0.0),
    5: (2 / 3, 1.0, 1 / 3, math.sqrt(0.5 - 1 / 9)),
}


def completed(name: str = LAYER, values: torch.Tensor = RECOVERED, certainty: torch.Tensor | None = None) -> Completed:
    sure = torch.where(MISSING, values.abs(), 0.0) if certainty is None else certainty
    return Completed({name: values}, {name: sure}, {name: MISSING}, "digest")


def roots_options(**changes: Any) -> Options:
    return Options(**{"retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021, **changes})


def run(magnitude: str, retain: float = 0.6) -> torch.Tensor:
    options = roots_options(magnitude=magnitude, retain=retain)
    return roots(weights(**{LAYER: WEIGHT}), completed(), options)[LAYER]


def drawn() -> dict[int, torch.Tensor]:
    """One draw per missing entry, row by row."""
    generator = torch.Generator("cpu").manual_seed(2021)
    return {row: torch.randn(int(MISSING[row].sum()), generator=generator) for row in (0, 1, 3, 4, 5)}


def test_average_by_hand() -> None:
    expected = torch.tensor(
        [
            [1.0, -3.0, 2.0, 2.0],
            [0.0, 4.0, -4.0, 4.0],
            [2.0, 2.0, 2.0, 2.0],
            [0.0, -3.0, -1.0, 5.0],
            [-6.0, 0.0, 0.0, 6.0],
            [0.5, -0.5, 1.0, -2 / 3],
        ]
    )
    assert torch.allclose(run("average"), expected)


def test_completed_by_hand() -> None:
    expected = torch.where(MISSING, torch.where(SIGNS_AT_06 != 0, RECOVERED, 0.0), WEIGHT)
    assert torch.equal(run("completed"), expected)
    assert torch.equal(run("completed", retain=1.0), RECOVERED)


@pytest.mark.parametrize("magnitude", ["sample", "max"])
def test_drawn_magnitudes_by_hand(magnitude: str) -> None:
    expected = WEIGHT.clone()
    for row, z in drawn().items():
        _, largest, mean, deviation = ROWS[row]
        columns = MISSING[row].nonzero().flatten().tolist()
        for column, number in zip(columns, z.tolist(), strict=True):
            size = abs(mean + deviation * number)
            size = max(size, largest * (1 + 1e-6)) if magnitude == "max" else size
            expected[row, column] = SIGNS_AT_06[row, column] * size
    assert torch.allclose(run(magnitude), expected, rtol=1e-6)


@pytest.mark.parametrize("magnitude", ["row_max", "sample_empirical", "sample_layer"])
def test_the_papers_other_strategies_give_sizes_that_are_there(magnitude: str) -> None:
    attacked = run(magnitude)
    assert torch.equal(attacked[MISSING].sign(), SIGNS_AT_06[MISSING])
    for row in ROWS:
        found = attacked[row, MISSING[row] & (attacked[row] != 0)].abs()
        near = WEIGHT[~MISSING] if magnitude == "sample_layer" else WEIGHT[row, ~MISSING[row]]
        assert set(found.tolist()) <= set(near.abs().tolist())
        if magnitude == "row_max":
            assert (found == ROWS[row][1]).all()


def test_max_is_above_every_observed_weight() -> None:
    attacked = run("max", retain=1.0)
    for row, (_, largest, _, _) in ROWS.items():
        assert (attacked[row, MISSING[row]].abs() > largest).all()  # in float32 the margin is real


def test_a_draw_does_not_depend_on_retain() -> None:
    few, all_ = run("sample", retain=0.3), run("sample", retain=1.0)
    both = (few != 0) & MISSING
    assert 0 < both.sum() < MISSING.sum()
    assert torch.equal(few[both], all_[both])


def test_retaining_everything_retains_every_sign() -> None:
    assert torch.equal(run("average", retain=1.0)[MISSING].sign(), RECOVERED[MISSING].sign())


def test_a_recovered_zero_stays_zero() -> None:
    values = RECOVERED.clone()
    values[0, 2] = 0.0
    done = roots(weights(**{LAYER: WEIGHT}), completed(values=values), roots_options(retain=1.0))
    assert done[LAYER][0, 2] == 0


def test_rank_by_certainty() -> None:
    certainty = torch.where(MISSING, 1 - RECOVERED.abs(), 0.0)  # the reverse order
    done = completed(certainty=certainty)
    options = roots_options(magnitude="completed", rank="certainty")
    found = roots(weights(**{LAYER: WEIGHT}), done, options)[LAYER]
    expected = [0.1, 0.2, 0.3, 0.3, 0.5, 0.6]  # .7 .8 .9 are the least sure
    assert sorted(found[MISSING].abs()[found[MISSING] != 0].tolist()) == pytest.approx(expected)


def test_generator_runs_through_layers_in_sorted_order() -> None:
    names = ["b" + LAYER, "a" + LAYER]
    both = Completed(
        dict.fromkeys(names, RECOVERED), dict.fromkeys(names, RECOVERED.abs()), dict.fromkeys(names, MISSING), "d"
    )
    layers, options = dict.fromkeys(names, WEIGHT), roots_options(retain=1.0, magnitude="sample")
    done = roots(weights(**layers), both, options)
    assert torch.equal(done["a" + LAYER], run("sample", retain=1.0))
    assert not torch.equal(done["b" + LAYER], done["a" + LAYER])
    again = roots(weights(**dict(reversed(layers.items()))), both, options)
    assert all(torch.equal(again[name], done[name]) for name in names)


def test_inputs_are_not_changed() -> None:
    weight, values = WEIGHT.clone(), RECOVERED.clone()
    run("max")
    assert torch.equal(weight, WEIGHT)
    assert torch.equal(values, RECOVERED)


def test_a_row_with_nothing_left() -> None:
    missing = MISSING.clone()
    missing[4] = True
    done = Completed({LAYER: RECOVERED}, {LAYER: RECOVERED.abs()}, {LAYER: missing}, "digest")
    attacked = roots(weights(**{LAYER: WEIGHT}), done, roots_options(magnitude="average"))[LAYER]
    assert torch.equal(attacked[4], WEIGHT[4]), "nobody can tell what stood there: it stays as published"
    whole = roots(
        weights(**{LAYER: WEIGHT}),
        Completed({LAYER: RECOVERED}, {LAYER: RECOVERED.abs()}, {LAYER: MISSING}, "d"),
        roots_options(magnitude="average", retain=1.0),
    )[LAYER]
    all_signs = roots(weights(**{LAYER: WEIGHT}), done, roots_options(magnitude="average", retain=1.0))[LAYER]
    assert torch.equal(all_signs[:4], whole[:4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magnitude": "maxx"}, "magnitude is 'maxx', but .*: did you mean 'max'?"),
        ({"rank": "certanty"}, "rank is 'certanty', but .*: did you mean 'certainty'?"),
        ({"retain": 0.0}, "retain is 0.0, but should be greater than 0"),
        ({"retain": 1.01}, "retain is 1.01, but should be less than or equal to 1"),
        (
            {"retain": "outo"},
            "retain is 'outo', but should be a valid number, or should be 'auto': did you mean 'auto'",
        ),
        ({"retain": True}, "retain is True, but should be a valid number"),
        ({"retain": "auto"}, "retain auto goes by the surest signs: set its rank to certainty"),
    ],
)
def test_wrong_options(changes: dict[str, Any], message: str) -> None:
    entry = {"retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021, **changes}
    with pytest.raises(UserError, match=f"attack 'roots': {message}"):
        parse_options("attack_weights", "roots", entry)


def test_auto_needs_a_completer_that_tells_a_probability() -> None:
    auto = roots_options(retain="auto", rank="certainty")
    check_entry("attack_weights", "roots", auto, {"completer": load_method("complete", "gaussian_posterior")})
    check_entry("attack_weights", "roots", roots_options(), {"completer": load_method("complete", "nuclear")})
    for completer in ("nuclear", "soft_impute"):
        with pytest.raises(UserError, match="retain auto needs a completer that tells how probable a sign is"):
            check_entry("attack_weights", "roots", auto, {"completer": load_method("complete", completer)})
    with pytest.raises(UserError, match="'roots' needs completed weights: name an entry of complete_weights"):
        check_entry("attack_weights", "roots", roots_options(), {})


def test_needs_the_completion_of_these_weights() -> None:
    published = weights(**{LAYER: WEIGHT})
    with pytest.raises(UserError, match="needs completed weights"):
        roots(published, None, roots_options())
    with pytest.raises(UserError, match="not those of the published model"):
        roots(published, completed("another"), roots_options())
    with pytest.raises(UserError, match="not those of the published model"):
        roots(weights(**{LAYER: WEIGHT[:5]}), completed(), roots_options())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_retained_is_the_top_of_the_missing(seed: int, one: float, two: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    importance = torch.randperm(48, generator=generator).view(6, 8).float()  # all distinct
    missing = torch.rand(6, 8, generator=generator) < 0.4
    low, high = sorted((one, two))
    few, more = retained(importance, missing, low), retained(importance, missing, high)
    total = int(missing.sum())
    assert not (few & ~missing).any()
    assert not (few & ~more).any()
    assert int(few.sum()) == total - int((1 - low) * total)
    if few.any() and (missing & ~few).any():
        assert importance[few].min() > importance[missing & ~few].max()


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**31), st.sampled_from(["max", "average", "sample", "completed"]), st.sampled_from([0.3, 0.6, 1.0])
)
def test_observed_entries_and_signs_stay(seed: int, magnitude: str, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    missing = torch.rand(5, 9, generator=generator) < 0.5
    missing[:, 0] = False
    values = torch.randn(5, 9, generator=generator)
    weight = torch.where(missing, 0.0, values)
    done = Completed({LAYER: values}, {LAYER: values.abs()}, {LAYER: missing}, "digest")
    options = roots_options(retain=share, magnitude=magnitude, seed=seed)
    attacked = roots(weights(**{LAYER: weight}), done, options)[LAYER]
    assert torch.equal(attacked[~missing], weight[~missing])
    assert torch.isfinite(attacked).all()
    filled = missing & (attacked != 0)
    assert torch.equal(attacked[filled].sign(), values[filled].sign())

"""Row magnitudes on a 2x4 matrix by hand; `roots` and the oracles share them."""

import math

import pytest
import torch

from regrow.attack._magnitudes import draw_rows, missing_magnitudes, row_magnitudes
from regrow.errors import UserError

# Observed in row 0: 1, -3 (mean -1, sd 2); in row 1: 2, 2, 5 (mean 3, sd sqrt 2).
WEIGHT = torch.tensor([[1.0, 0.0, -3.0, 0.0], [2.0, 2.0, 0.0, 5.0]])
MISSING = WEIGHT == 0


def drawn() -> torch.Tensor:
    return draw_rows(WEIGHT, MISSING, torch.Generator("cpu").manual_seed(2021), "a layer")


def test_draws_are_those_of_the_rows_gaussian() -> None:
    generator = torch.Generator("cpu").manual_seed(2021)
    first, second = torch.randn(2, generator=generator), torch.randn(1, generator=generator)
    expected = torch.zeros(2, 4)
    expected[0, 1], expected[0, 3] = -1 + 2 * first[0], -1 + 2 * first[1]
    expected[1, 2] = 3 + math.sqrt(2) * second[0]
    assert torch.allclose(drawn(), expected)


def test_magnitudes_by_hand() -> None:
    z = torch.tensor([[9.0, -1.0, 9.0, 4.0], [9.0, 9.0, 1.0, 9.0]])
    sizes = {rule: row_magnitudes(WEIGHT, MISSING, z, rule)[MISSING] for rule in ("average", "max", "sample")}  # type: ignore[arg-type]
    assert sizes["average"].tolist() == [2.0, 2.0, 3.0]
    assert sizes["sample"].tolist() == [1.0, 4.0, 1.0]
    assert sizes["max"].tolist() == pytest.approx([3.0, 4.0, 5.0], rel=2e-6)
    assert sizes["max"][0] > 3 and sizes["max"][2] > 5


def sizes(strategy: str, weight: torch.Tensor = WEIGHT, missing: torch.Tensor = MISSING) -> torch.Tensor:
    generator = torch.Generator("cpu").manual_seed(2021)
    return missing_magnitudes(weight, missing, strategy, generator, "a layer")[missing]  # type: ignore[arg-type]


def test_the_codes_strategies_are_its_rules() -> None:
    for rule in ("average", "max", "sample"):
        assert torch.equal(sizes(rule), row_magnitudes(WEIGHT, MISSING, drawn(), rule)[MISSING])  # type: ignore[arg-type]


def test_row_max_is_the_plain_maximum() -> None:
    assert sizes("row_max").tolist() == [3.0, 3.0, 5.0]


def test_empirical_sizes_are_drawn_from_the_row_by_hand() -> None:
    generator = torch.Generator("cpu").manual_seed(2021)
    first = torch.tensor([1.0, 3.0])[torch.randint(2, (2,), generator=generator)]
    second = torch.tensor([2.0, 2.0, 5.0])[torch.randint(3, (1,), generator=generator)]
    assert torch.equal(sizes("sample_empirical"), torch.cat([first, second]))


def test_layer_sizes_are_drawn_from_the_layer_by_hand() -> None:
    places = torch.randint(5, (3,), generator=torch.Generator("cpu").manual_seed(2021))
    assert torch.equal(sizes("sample_layer"), torch.tensor([1.0, 3.0, 2.0, 2.0, 5.0])[places])


def test_drawn_sizes_have_the_distribution_they_are_drawn_from() -> None:
    """Row 0 is ten times row 1: its own sizes are, the layer's are a mixture of both."""
    weight = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[10.0], [1.0]])
    missing = torch.rand(2, 20_000, generator=torch.Generator().manual_seed(1)) < 0.5
    empirical, layer = torch.zeros(2, 20_000), torch.zeros(2, 20_000)
    empirical[missing], layer[missing] = (
        sizes("sample_empirical", weight, missing),
        sizes("sample_layer", weight, missing),
    )
    pooled = float(weight[~missing].abs().mean())
    for row, size in ((0, 10.0), (1, 1.0)):
        lost = missing[row]
        assert float(empirical[row, lost].mean()) == pytest.approx(0.798 * size, rel=0.03)
        assert float(empirical[row, lost].median()) == pytest.approx(0.6745 * size, rel=0.05)
        assert float(layer[row, lost].mean()) == pytest.approx(pooled, rel=0.05)


@pytest.mark.parametrize("strategy", ["average", "max", "sample", "row_max", "sample_empirical"])
def test_a_row_with_nothing_left_is_named(strategy: str) -> None:
    missing = MISSING.clone()
    missing[1] = True
    with pytest.raises(UserError, match="row 1 of a layer has no entry left"):
        sizes(strategy, missing=missing)


def test_a_layer_still_tells_sizes_when_a_row_is_gone() -> None:
    missing = MISSING.clone()
    missing[1] = True
    assert set(sizes("sample_layer", missing=missing).tolist()) <= {1.0, 3.0}
    with pytest.raises(UserError, match="nothing of a layer is left"):
        sizes("sample_layer", missing=torch.ones_like(MISSING))

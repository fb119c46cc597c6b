"""Row magnitudes on a 2x4 matrix by hand; `roots` and the oracles share them."""

import math

import pytest
import torch

from regrow.attack._magnitudes import draw_rows, row_magnitudes
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


def test_a_row_with_nothing_left_is_named() -> None:
    missing = MISSING.clone()
    missing[1] = True
    with pytest.raises(UserError, match="row 1 of a layer has no entry left"):
        draw_rows(WEIGHT, missing, torch.Generator("cpu"), "a layer")

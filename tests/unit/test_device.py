"""One code for CPU and GPU: no completer mixes tensors of the device with tensors of the CPU."""

from typing import Any

import pytest
import torch

from regrow.complete import complete_matrix
from tests.unit.elsewhere import ELSEWHERE, Elsewhere

METHODS = [
    ("nuclear", {}),
    ("nuclear", {"solver": "released"}),
    ("soft_impute", {}),
    ("gaussian_posterior", {}),
    ("gaussian_posterior", {"magnitudes": "any"}),
]


@pytest.fixture(scope="module")
def matrix() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(24, 6, generator=generator) @ torch.randn(6, 96, generator=generator)
    weights += 0.3 * torch.randn(24, 96, generator=generator)
    return weights, torch.rand(24, 96, generator=generator) < 0.1


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("tall", [False, True])
def test_the_device_changes_nothing(matrix, method: str, options: dict[str, Any], tall: bool) -> None:
    weights, mask = (part.T if tall else part for part in matrix)
    here = complete_matrix(weights, mask, method, **options)
    with Elsewhere():
        there = complete_matrix(weights, mask, method, device=str(ELSEWHERE), **options)
    assert there.values.device.type == there.confidence.device.type == "cpu"
    # Composite operations are taken apart differently, so the last digits may differ.
    torch.testing.assert_close(there.values, here.values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(there.confidence, here.confidence, rtol=1e-3, atol=1e-4)


def test_a_forgotten_copy_is_found(matrix) -> None:
    weights, _ = matrix
    with Elsewhere():
        on_device = weights.to(ELSEWHERE)
        assert on_device.device == (on_device @ on_device.T).device == ELSEWHERE
        assert (on_device + 1).sum().item() == pytest.approx(float((weights + 1).sum()))
        with pytest.raises(RuntimeError, match="on the CPU"):
            on_device * torch.ones(96)

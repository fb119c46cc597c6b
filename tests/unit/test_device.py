"""One code for CPU and GPU: no completer mixes tensors of the device with tensors of the CPU."""

from typing import Any

import pytest
import torch

from tests.unit.elsewhere import ELSEWHERE, Elsewhere
from tests.unit.erasing import complete

METHODS = [
    ("nuclear", {}),
    ("nuclear", {"solver": "released"}),
    ("soft_impute", {}),
    ("gaussian_posterior", {}),
    ("gaussian_posterior", {"magnitudes": "any"}),
]


# Small ones are solved exactly; in the larger ones `soft_impute` draws its subspaces at random, and with many holes
# `nuclear` solves by conjugate gradients.
SIZES = [(24, 96, 0.1), (60, 200, 0.1), (60, 200, 0.4)]


def matrix(rows: int, columns: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(rows, 6, generator=generator) @ torch.randn(6, columns, generator=generator)
    weights += 0.3 * torch.randn(rows, columns, generator=generator)
    return weights, torch.rand(rows, columns, generator=generator) < share


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tall", [False, True])
def test_the_device_changes_nothing(size: Any, method: str, options: dict[str, Any], tall: bool) -> None:
    weights, mask = (part.T if tall else part for part in matrix(*size))
    here = complete(weights, mask, method, **options)
    with Elsewhere() as device:
        there = complete(weights, mask, method, device=str(ELSEWHERE), **options)
    # The result comes back once, at the end; what decides on the way are numbers and the columns' counts.
    results = 3 if there.deviation is not None else 2
    large = [count for count in device.fetched if count > max(weights.shape)]
    assert large == [weights.numel()] * results
    assert there.values.device.type == there.certainty.device.type == "cpu"
    # Composite operations are taken apart differently, so the last digits may differ.
    torch.testing.assert_close(there.values, here.values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(there.certainty, here.certainty, rtol=1e-3, atol=1e-4)


def test_a_forgotten_copy_is_found() -> None:
    weights, _ = matrix(*SIZES[0])
    with Elsewhere() as device:
        on_device = weights.to(ELSEWHERE)
        assert on_device.device == (on_device @ on_device.T).device == ELSEWHERE
        assert (on_device + 1).sum().item() == pytest.approx(float((weights + 1).sum()))
        with pytest.raises(RuntimeError, match="on the CPU"):
            on_device * torch.ones(96)
        on_device.cpu()
    assert device.fetched == [weights.numel()]

"""The three 4-bit schemes against numbers worked by hand and the published decision thresholds."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.attack._fake_quantize import NF4, fp4_blocks, int4_rows, nf4_blocks
from regrow.attack.quantize import Options, quantize
from regrow.errors import UserError
from regrow.methods import parse_options
from tests.unit.erasing import weights

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"


def test_int4_rows_by_hand() -> None:
    weight = torch.tensor(
        [
            [7.0, -3.4, 3.5, 0.0],  # scale 1
            [0.49, -0.5, -0.51, 7.0],  # scale 1: floor(0.99), floor(0.0), floor(-0.01)
            [-14.0, 7.0, 1.0, -1.0],  # scale 2: -7, floor(4.0), floor(1.0), floor(0.0)
            [0.0, 0.0, 0.0, 0.0],
            [0.07, 0.0, -0.02, 0.035],  # scale 0.01
            [-21.0, 21.0, 10.6, -10.4],  # scale 3: floor(4.03) = 4, floor(-2.97) = -3
        ]
    )
    expected = torch.tensor(
        [
            [7.0, -3.0, 4.0, 0.0],
            [0.0, 0.0, -1.0, 7.0],
            [-14.0, 8.0, 2.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
            [0.07, 0.0, -0.02, 0.04],
            [-21.0, 21.0, 12.0, -9.0],
        ]
    )
    assert torch.allclose(int4_rows(weight), expected, atol=1e-7)


def test_fp4_blocks_by_hand() -> None:
    # Codes times 12: 0, 0.0625, 2, 3, 4, 6, 8, 12; the last block holds two weights.
    weight = torch.tensor([[12.0, 0.04, 0.02, -4.9], [-5.1, -12.0, 1.5, -0.5], [0.0, -2.4, 24.0, 6.2]])
    expected = torch.tensor([[12.0, 0.0625, 0.0, -4.0], [-6.0, -12.0, 2.0, -0.0625], [0.0, -2.4, 24.0, 6.0]])
    assert torch.allclose(fp4_blocks(weight[:2], 4), expected[:2], atol=1e-6)
    # blocks of 2 of the last row: largest 2.4, and 24 (codes 48-fold: 6.2 is nearest to 6)
    assert torch.allclose(fp4_blocks(weight[2:], 2), expected[2:], atol=1e-6)
    assert torch.allclose(fp4_blocks(weight, 8)[2], fp4_blocks(weight[2:], 4)[0])  # the partial block of 4


def fp4_by_thresholds(x: float) -> float:
    """The decision thresholds that bitsandbytes publishes, as shares of the largest magnitude."""
    value = 0.0
    for threshold, code in (
        (0.00260417, 0.0625 / 12),
        (0.0859375, 2 / 12),
        (0.20833333, 3 / 12),
        (0.29166667, 4 / 12),
        (0.4166667, 6 / 12),
        (0.583333, 8 / 12),
        (0.8333333, 1.0),
    ):
        if abs(x) > threshold:
            value = code
    return value if x >= 0 else -value


def test_fp4_blocks_follow_the_published_thresholds() -> None:
    scaled = torch.rand(63, generator=torch.Generator().manual_seed(0)) * 2 - 1
    weight = torch.cat([torch.ones(1), scaled]).view(1, 64)
    expected = torch.tensor([[fp4_by_thresholds(x) for x in weight[0].tolist()]])
    assert torch.allclose(fp4_blocks(0.3 * weight, 64), 0.3 * expected, atol=1e-7)


def test_nf4_blocks_by_hand() -> None:
    weight = torch.tensor(
        [[2.0, -2.0, 0.1, 0.07], [-1.4, 1.3, 0.0, -0.1]]
    )  # largest 2: 1, -1, .05, .035, -.7, .65, 0, -.05
    codes = torch.tensor([[1.0, -1.0, 0.0795803, 0.0], [-0.6961928, 0.7229568, 0.0, -0.0910500]])
    assert torch.allclose(nf4_blocks(weight, 8), 2 * codes, atol=1e-6)


def test_nf4_takes_the_lower_code_at_a_midpoint() -> None:
    middle = (torch.tensor(NF4[14]) + torch.tensor(NF4[15])) / 2
    quantized = nf4_blocks(torch.stack([torch.tensor(1.0), middle, -middle]).view(1, 3), 3)
    assert quantized[0, 1] == torch.tensor(NF4[14])


@pytest.mark.parametrize("by_blocks", [fp4_blocks, nf4_blocks])
def test_partial_last_block_and_block_of_zeros(by_blocks: Any) -> None:
    weight = torch.tensor([[1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 3.0]])
    quantized = by_blocks(weight, 3)
    assert quantized.shape == weight.shape
    assert torch.equal(quantized[0, 3:6], torch.zeros(3))
    assert quantized[0, 6] == 3.0
    assert torch.equal(by_blocks(torch.zeros(2, 5), 4), torch.zeros(2, 5))


def test_blocks_run_across_rows() -> None:
    weight = torch.tensor([[1.0, 100.0], [0.1, 0.1]])
    assert fp4_blocks(weight, 3)[1, 0] == 0  # in the block of 100
    assert fp4_blocks(weight, 3)[1, 1] == pytest.approx(0.1)  # alone in the last block


WORST = {"int4_rows": 1 / 14, "fp4_blocks": 2 / 12, "nf4_blocks": (1 - 0.6961928) / 2}  # half of the widest gap


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from(sorted(WORST)), st.floats(1e-6, 1e6))
def test_zeros_stay_and_errors_are_bounded(seed: int, scheme: str, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 7, generator=generator) * scale
    weight[torch.rand(6, 7, generator=generator) < 0.3] = 0
    block = None if scheme == "int4_rows" else 7  # a block is a row
    quantized = quantize(weights(**{LAYER: weight}), None, Options(scheme=scheme, block=block))[LAYER]  # type: ignore[arg-type]
    assert quantized.dtype == torch.float32
    assert torch.isfinite(quantized).all()
    assert (quantized[weight == 0] == 0).all()
    assert not (quantized * weight < 0).any()
    largest = weight.abs().amax(1, keepdim=True)
    assert ((quantized - weight).abs() <= WORST[scheme] * largest * (1 + 1e-5)).all()
    assert all(len(row.unique()) <= 16 for row in quantized)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "int4_row"}, "scheme is 'int4_row', but .*: did you mean 'int4_rows'?"),
        ({"scheme": "int4_rows", "block": 64}, "takes whole rows"),
        ({"scheme": "fp4_blocks", "block": None}, "fp4_blocks needs 'block'"),
        ({"scheme": "nf4_blocks", "block": 0}, "block is 0, but should be greater than or equal to 1"),
        ({"block": 64}, "attack 'quantize' needs the option 'scheme'"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_options("attack_weights", "quantize", options)

"""Which operations keep the sign bits of zeros: the table that README and report print."""

import pytest

from regrow.evaluate.sign_bits import which_keep_sign_bits

KEEP = {
    "multiplied by 1 - mask",
    "torch.nn.utils.prune and remove",
    "half precision",
    "bfloat16",
    "safetensors",
    "torch.save, loaded with weights_only",
    "save_pretrained",
}
LOSE = {
    "fusing a LoRA",
    "fusing a LoRA that is still 0",
    "int8 by rows and back",
    "int4 by rows and back",
    "FP4 by blocks and back",
    "NF4 by blocks and back",
    "filled with 0",
    "multiplied, then 0.0 added",
}


@pytest.mark.parametrize("seed", [0, 1])
def test_table(seed: int) -> None:
    assert which_keep_sign_bits(seed) == dict.fromkeys(KEEP, True) | dict.fromkeys(LOSE, False)

"""The stage `apply_oracle` on a tiny world, and what its two sides must have in common."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.model.deltas import read_delta, write_delta
from regrow.model.masks import Erased, read_erased, write_erased
from regrow.model.pipelines import read_base
from regrow.stages import apply_oracle
from regrow.world import read_world
from tests.unit.erasing import Published, erase

OPTIONS: dict[str, Any] = {"signs": "pretrained", "magnitude": "average", "seed": 2021}


def consult(church: Published, out: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {"model": church.model, "erased": church.erased, "options": OPTIONS, **changes}
    apply_oracle.run(
        church.world, oracle="entry", method="true_values", out=out, record_out=out.with_suffix(".json"), **arguments
    )
    return out


def test_an_oracle_reads_both_sides(church: Published, tmp_path: Path) -> None:
    out = consult(church, tmp_path / "model")
    before, after, mask = read_delta(church.model), read_delta(out), read_erased(church.erased).mask
    assert read_json(tmp_path / "model.json", "record") == {
        "model": after.digest,
        "base": before.base,
        "published_model": before.digest,
        "oracle": {"name": "entry", "method": "true_values", **OPTIONS},
    }
    true = read_base(read_world(church.world).pipeline, before.tensors)
    for name, tensor in before.tensors.items():
        assert torch.equal(after.tensors[name].sign(), true[name].sign())
        assert torch.equal(after.tensors[name][~mask[name]], tensor[~mask[name]])
    first = out.read_bytes()
    assert consult(church, out).read_bytes() == first


def test_models_that_it_cannot_answer_for(church: Published, tmp_path: Path) -> None:
    delta = read_delta(church.model)
    write_delta(tmp_path / "other", delta.tensors, "0" * 64)
    with pytest.raises(UserError, match="belongs to base 000000000000, not to world 'tiny'"):
        consult(church, tmp_path / "out", model=tmp_path / "other")
    write_delta(tmp_path / "none", {"unet.conv_out.bias": torch.ones(4)}, delta.base)
    with pytest.raises(UserError, match="changes no FFN2 weight"):
        consult(church, tmp_path / "out", model=tmp_path / "none")
    assert not (tmp_path / "out").exists()


def test_erasings_that_are_not_of_this_model(church: Published, tmp_path: Path) -> None:
    own = read_erased(church.erased)
    layer, mask = next((name, mask) for name, mask in own.mask.items() if mask.any())
    fewer = mask.clone()
    fewer[tuple(mask.nonzero()[0])] = False
    bits = {name: torch.roll(part, 1, 1) for name, part in own.mask.items()}
    for name, other, said in (
        ("empty", replace(own, mask={layer: torch.zeros_like(mask)}), "prunes nothing"),
        ("shape", replace(own, mask={**own.mask, layer: mask[:1]}), "is no mask of a weight of the model"),
        ("base", replace(own, base="0" * 64), "is of base 000000000000, not of"),
        # The header is right and the bits are another concept's.
        ("bits", replace(own, mask=bits), "is the mask of another erasing"),
        ("fewer", replace(own, mask={**own.mask, layer: fewer}), "is another erasing than that of"),
        ("release", replace(own, release="multiplied"), "is another erasing than that of"),
        ("more", Erased({"unet.conv_out.bias": torch.ones(4)}, own.mask, own.base, own.recipe), "another erasing"),
    ):
        write_erased(tmp_path / name, other)
        with pytest.raises(UserError, match=said):
            consult(church, tmp_path / "out", erased=tmp_path / name)
    with pytest.raises(UserError, match="another erasing"):
        consult(church, tmp_path / "out", erased=erase(church.world, tmp_path, "rocket"))
    with pytest.raises(UserError, match="is no erasing of regrow"):
        consult(church, tmp_path / "out", erased=church.model)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"signs": "pretrained", "magnitude": "max"}, "oracle 'true_values' needs the option 'seed'"),
        ({**OPTIONS, "sede": 1}, "oracle 'true_values' has no option 'sede': did you mean 'seed'"),
        ({**OPTIONS, "seed": "1"}, "oracle 'true_values': seed is '1', but should be a valid integer"),
    ],
)
def test_wrong_options(church: Published, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        consult(church, tmp_path / "out", options=options)

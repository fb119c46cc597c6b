"""The stage `consult_oracle` on a tiny world."""

from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.models import load_delta, read_tensors, read_weights, save_delta, write_tensors
from regrow.stages import consult_oracle
from regrow.worlds import read_world


def test_an_oracle_reads_both_sides(erased_world: Path, erased: tuple[Path, Path], tmp_path: Path) -> None:
    out, options = tmp_path / "model.safetensors", {"signs": "pretrained", "magnitude": "average", "seed": 2021}
    consult_oracle.run(erased_world, *erased, options, out)
    before, after = load_delta(erased[0]), load_delta(out)
    assert after.recipe == {**before.recipe, "oracle": options}
    assert after.base_digest == before.base_digest
    true = read_weights(read_world(erased_world).pipeline, before.tensors)
    mask = read_tensors(erased[1])
    for name, tensor in before.tensors.items():
        pruned = mask[name]
        assert torch.equal(after.tensors[name].sign(), true[name].sign())
        assert torch.equal(after.tensors[name][~pruned], tensor[~pruned])
    first = out.read_bytes()
    consult_oracle.run(erased_world, *erased, options, out)
    assert out.read_bytes() == first


def test_an_oracle_refuses_what_it_cannot_answer(erased_world: Path, erased: tuple[Path, Path], tmp_path: Path) -> None:
    options = {"signs": "pretrained", "magnitude": "max", "seed": 0}
    delta = load_delta(erased[0])
    save_delta(tmp_path / "other", delta.tensors, "0" * 64, {})
    with pytest.raises(UserError, match="belongs to base 000000000000, not to world 'tiny'"):
        consult_oracle.run(erased_world, tmp_path / "other", erased[1], options, tmp_path / "out")
    save_delta(tmp_path / "none", {"conv_out.bias": torch.ones(4)}, delta.base_digest, {})
    with pytest.raises(UserError, match="holds no FFN2 weight"):
        consult_oracle.run(erased_world, tmp_path / "none", erased[1], options, tmp_path / "out")
    layer, mask = next(iter(read_tensors(erased[1]).items()))
    own = {"base": delta.base_digest, "recipe": delta.recipe}
    for name, tensors, header, said in (
        ("empty", {layer: torch.zeros_like(mask)}, own, "prunes nothing"),
        ("wrong", {layer: mask[:1]}, own, "is no mask of a weight of the model"),
        ("float", {layer: mask.float()}, own, "is no mask of erase_concept"),
        ("bare", {layer: mask}, None, "is no mask of erase_concept"),
        ("foreign", {layer: mask}, {**own, "base": "0" * 64}, "is a mask of base 000000000000, not of"),
        ("rocket", {layer: mask}, {**own, "recipe": {"concept": "rocket"}}, "of another erasing, of 'rocket'"),
    ):
        write_tensors(tmp_path / name, tensors, header)
        with pytest.raises(UserError, match=said):
            consult_oracle.run(erased_world, erased[0], tmp_path / name, options, tmp_path / "out")
    with pytest.raises(UserError, match="is no mask of erase_concept"):
        consult_oracle.run(erased_world, erased[0], erased[0], options, tmp_path / "out")
    for wrong, said in (
        ({"signs": "pretrained", "magnitude": "max"}, "oracle 'oracle' needs the option 'seed'"),
        ({**options, "sede": 1}, "oracle 'oracle' has no option 'sede': did you mean 'seed'"),
        ({**options, "seed": "1"}, "oracle 'oracle': seed is '1', but should be a valid integer"),
    ):
        with pytest.raises(UserError, match=said):
            consult_oracle.run(erased_world, *erased, wrong, tmp_path / "out")
    assert not (tmp_path / "out").exists()

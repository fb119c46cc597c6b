"""The stage cut_control: the control with the hole that an eraser made in the base."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.model.deltas import read_delta
from regrow.model.masks import Erased, read_erased, write_erased
from regrow.model.names import is_ffn2
from regrow.model.records import read_record
from regrow.stages import cut_control, index_control, publish_model
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import Published, write_control


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_control(tmp_path_factory.mktemp("control") / "pipeline")


@pytest.fixture(scope="module")
def cut(church: Published, control: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("cut")
    delta, erased = folder / "control.safetensors", folder / "erased.safetensors"
    index_control.run(church.world, control, delta, folder / "control.json")
    cut_control.run(church.world, church.erased, delta, control, erased)
    model, record = folder / "model.safetensors", folder / "record.json"
    publish_model.run(church.world, erased, "cut_control", model, record)
    return Published(church.world, erased, model, record)


def test_the_control_has_the_hole_of_the_base_and_its_own_weights_around_it(church: Published, cut: Published) -> None:
    mask, published = read_erased(church.erased).mask, read_delta(cut.model).tensors
    wanted = {f"unet.{name}": weight for name, weight in tiny_pipeline(1).unet.state_dict().items()}
    assert any(bool(layer.any()) for layer in mask.values())
    assert set(published) == set(read_delta(cut.model.with_name("control.safetensors")).tensors), "the whole control"
    for name, weight in published.items():
        missing = mask.get(name, torch.zeros_like(weight, dtype=torch.bool))
        assert torch.equal(weight, wanted[name].masked_fill(missing, 0.0)), name
        assert not (is_ffn2(name) and weight[missing].signbit().any())
    record = read_record(cut.record)
    assert (record["concept"], record["published"], record["eraser"]["name"]) == ("church", "cut_control", "prune")


def test_zeros_that_tell_signs_tell_those_of_the_control(church: Published, control: Path, tmp_path: Path) -> None:
    made = read_erased(church.erased)
    write_erased(tmp_path / "erased", replace(made, release="multiplied"))
    index_control.run(church.world, control, tmp_path / "delta", tmp_path / "record")
    cut_control.run(church.world, tmp_path / "erased", tmp_path / "delta", control, tmp_path / "cut")
    own = tiny_pipeline(1).unet.state_dict()
    for name, mask in made.mask.items():
        zeros = read_erased(tmp_path / "cut").tensors[name][mask]
        assert (zeros == 0).all()
        assert torch.equal(zeros.signbit(), own[name.removeprefix("unet.")][mask].signbit())


def test_what_is_no_cut_of_a_control(church: Published, control: Path, tmp_path: Path) -> None:
    index_control.run(church.world, control, tmp_path / "delta", tmp_path / "record")

    def made_of(erased: Erased) -> None:
        write_erased(tmp_path / "erased", erased)
        cut_control.run(church.world, tmp_path / "erased", tmp_path / "delta", control, tmp_path / "out")

    made = read_erased(church.erased)
    name = next(iter(made.mask))
    with pytest.raises(UserError, match="does more than prune"):
        made_of(replace(made, tensors={name: torch.zeros(made.mask[name].shape)}))
    with pytest.raises(UserError, match="prunes nothing, so there is no hole"):
        made_of(replace(made, mask={name: torch.zeros_like(made.mask[name])}))
    with pytest.raises(UserError, match="belongs to base 1234, not to world 'tiny'"):
        made_of(replace(made, base="1234"))

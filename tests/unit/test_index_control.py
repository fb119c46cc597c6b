"""The stage index_control: a model that never saw some concepts, looked over and written as a delta of the base."""

from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.model.deltas import read_delta
from regrow.model.published import load_published
from regrow.model.records import read_record
from regrow.stages import index_control
from regrow.world import read_world
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import Published, write_control


def test_a_delta_of_the_control_is_the_control(church: Published, tmp_path: Path) -> None:
    delta, record = tmp_path / "control.safetensors", tmp_path / "control.json"
    index_control.run(church.world, write_control(tmp_path / "pipeline"), delta, record)
    loaded = load_published(read_world(church.world), delta, "cpu").pipeline
    wanted = tiny_pipeline(1).unet.state_dict()
    assert all(torch.equal(weight, wanted[name]) for name, weight in loaded.unet.state_dict().items())
    assert read_record(record)["model"] == read_delta(delta).digest


def test_what_is_no_control(church: Published, tmp_path: Path) -> None:
    def index(folder: Path) -> None:
        index_control.run(church.world, folder, tmp_path / "delta", tmp_path / "record")

    with pytest.raises(UserError, match="is the base of world 'tiny' itself: name another pipeline"):
        index(read_world(church.world).pipeline)
    tiny_pipeline(1).save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="differs from the base in 'text_encoder.*share autoencoder and text encoder"):
        index(tmp_path / "other")
    other = write_control(tmp_path / "noisier")
    config = other / "scheduler/scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    with pytest.raises(UserError, match=r"scheduler_config.json is not the base's: the control must draw as world"):
        index(other)

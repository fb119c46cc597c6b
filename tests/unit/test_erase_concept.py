"""The stage `erase_concept` on a tiny world."""

from pathlib import Path

import pytest
import torch

from regrow.errors import UserError
from regrow.models import ffn2_names, load_delta, load_pipeline, read_tensors
from regrow.stages import erase_concept
from regrow.worlds import read_world
from tests.unit.erased import CONCEPTPRUNE, erase


def test_erase_writes_the_pruned_model_and_apart_from_it_the_mask(
    erased_world: Path, erased: tuple[Path, Path]
) -> None:
    place = read_world(erased_world)
    delta, mask = load_delta(erased[0]), read_tensors(erased[1])
    unet = load_pipeline(place.pipeline).unet
    assert sorted(delta.tensors) == sorted(mask) == ffn2_names(unet)
    for name, tensor in delta.tensors.items():
        assert torch.equal(tensor, unet.get_parameter(name) * ~mask[name])
    assert sum(int(m.sum()) for m in mask.values()) > 0
    assert delta.base_digest == place.pipeline_digest
    assert delta.recipe == {"world": "tiny", "concept": "church", "eraser": {"method": "conceptprune", **CONCEPTPRUNE}}
    loaded = load_pipeline(place.pipeline, erased[0]).unet
    assert all(torch.equal(loaded.get_parameter(name), tensor) for name, tensor in delta.tensors.items())


def test_erase_gives_the_same_bytes_again(erased_world: Path, erased: tuple[Path, Path], tmp_path: Path) -> None:
    again = erase(erased_world, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in erased]


def test_erase_that_finds_nothing_writes_nothing(erased_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'conceptprune' found nothing to change for concept 'nothing'"):
        erase(erased_world, tmp_path, "nothing")
    assert not list(tmp_path.iterdir())


def test_erase_unknown_words(erased_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="world 'tiny' has no concept 'churhc': did you mean 'church'?"):
        erase(erased_world, tmp_path, "churhc")
    with pytest.raises(UserError, match="unknown eraser 'prune'"):
        erase_concept.run(erased_world, "church", "prune", {}, tmp_path / "m", tmp_path / "o", "cpu")
    with pytest.raises(UserError, match="has no option 'call': did you mean 'calls'?"):
        erase(erased_world, tmp_path, call=3)

"""The stage `erase_concept` on a tiny world."""

from pathlib import Path

import pytest
import torch

from regrow.erase import conceptprune
from regrow.errors import UserError
from regrow.model.masks import read_erased
from regrow.model.pipelines import read_base
from regrow.stages import erase_concept
from regrow.world import read_world
from tests.unit.erasing import CONCEPTPRUNE, Published, erase


def test_what_the_publisher_keeps(erased_world: Path, church: Published) -> None:
    erased, index = read_erased(church.erased), read_world(erased_world)
    assert not erased.tensors
    assert len(erased.mask) == 16
    assert sum(int(mask.sum()) for mask in erased.mask.values()) > 0
    assert erased.base == index.base
    assert erased.release == "filled"
    assert erased.recipe == {
        "world": "tiny",
        "concept": "church",
        "kind": "pruning",
        "eraser": {"name": "prune", "method": "conceptprune", **CONCEPTPRUNE},
    }


def test_the_same_bytes_again(erased_world: Path, church: Published, tmp_path: Path) -> None:
    assert erase(erased_world, tmp_path).read_bytes() == church.erased.read_bytes()


def test_an_eraser_that_finds_nothing_writes_nothing(erased_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="eraser 'prune' found nothing to change for concept 'nothing'"):
        erase(erased_world, tmp_path, "nothing")
    assert not list(tmp_path.iterdir())


def test_an_eraser_that_gives_back_the_base_erased_nothing(
    erased_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = read_base(read_world(erased_world).pipeline, ["unet.conv_in.bias"])
    monkeypatch.setattr(conceptprune, "conceptprune", lambda *_: bias)
    with pytest.raises(UserError, match="found nothing to change"):
        erase(erased_world, tmp_path)


def test_empty_masks_and_columns_without_hope_are_said_aloud(
    erased_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = sorted(read_erased(erase(erased_world, tmp_path)).mask)[:2]
    masks = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in read_erased_base(erased_world, names)}
    masks[names[1]][:, 3] = True
    monkeypatch.setattr(conceptprune, "conceptprune", lambda *_: masks)
    erase(erased_world, tmp_path)
    assert f"{names[0]}: nothing is pruned" in caplog.text
    assert f"{names[1]}: 1 column(s) pruned as a whole, which no attacker can complete" in caplog.text
    assert "row(s)" not in caplog.text


def read_erased_base(world: Path, names: list[str]) -> list[tuple[str, torch.Tensor]]:
    return list(read_base(read_world(world).pipeline, names).items())


def test_unknown_words(erased_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="world 'tiny' has no concept 'churhc': did you mean 'church'?"):
        erase(erased_world, tmp_path, "churhc")
    with pytest.raises(UserError, match="unknown eraser 'prune'"):
        erase_concept.run(erased_world, "church", "prune", {}, "prune", tmp_path, "cpu", tmp_path / "out")
    with pytest.raises(UserError, match="has no option 'call': did you mean 'calls'?"):
        erase(erased_world, tmp_path, call=3)

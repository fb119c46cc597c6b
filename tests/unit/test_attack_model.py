"""The stage `attack_model` with a made-up attack that trains."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import Field
from torch import Tensor

from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.io.safetensors import read_file, write_tensors
from regrow.methods import MethodOptions
from regrow.model.deltas import read_delta
from regrow.model.published import PublishedModel
from regrow.stages import attack_model
from regrow.work import Work
from tests.unit.erasing import Published, guess

BIAS = "unet.conv_in.bias"
CLIP = Path(__file__).parents[2] / "data/emoji/judges/clip"  # any will do here


class Options(MethodOptions):
    """Options of a made-up attack."""

    step: float = Field(description="added to a bias")


@pytest.fixture
def seen(add_method: Callable[..., ModuleType]) -> dict[str, Any]:
    """What the attack saw, and how it is declared."""
    seen: dict[str, Any] = {}

    def train(model: PublishedModel, options: Options, work: Work) -> dict[str, Tensor]:
        seen.update(word=model.word, work=work, completed=model.completed, similarity=model.similarity)
        model.notes.update(flags=["made_up"], steps=3)
        seen["ffn2"] = {name: model.pipeline.unet.get_parameter(name[5:]).clone() for name in model.delta.tensors}
        return seen.get("result") or {BIAS: model.pipeline.unet.conv_in.bias + options.step}

    constants = {"RETURNS": "model", "NEEDS_COMPLETER": False, "APPLIES_TO": ("pruning", "training")}
    seen["module"] = add_method("attack", "train", train, Options, KNOWLEDGE=("word", "training"), **constants)
    return seen


def attack(
    church: Published,
    out: Path,
    word: str | None = "church",
    completed: Path | None = None,
    clip: Path | None = None,
) -> Path:
    options, folder = {"step": 1.0}, out.with_name("scratch")
    completer = {"name": "guess", "method": "guess"} if completed else None
    files = (out, out.with_suffix(".json"))
    told = ("entry", "train", options, completer, word, folder, "cpu")
    attack_model.run(church.world, church.model, completed, clip, *told, *files)
    return out


def test_it_runs_the_published_model_and_adds_its_change(
    church: Published, tmp_path: Path, seen: dict[str, Any]
) -> None:
    before, after = read_delta(church.model), read_delta(attack(church, tmp_path / "model"))
    assert after.tensors.keys() == {*before.tensors, BIAS}
    assert all(torch.equal(after.tensors[name], tensor) for name, tensor in before.tensors.items())
    assert all(torch.equal(seen["ffn2"][name], tensor) for name, tensor in before.tensors.items())
    assert (seen["word"], seen["work"]) == ("church", Work(tmp_path / "scratch", "cpu"))
    assert read_json(tmp_path / "model.json", "record") == {
        "model": after.digest,
        "base": before.base,
        "published_model": before.digest,
        "attack": {"name": "entry", "method": "train", "step": 1.0},
        "completer": None,
        "knowledge": ["word", "training"],
        "flags": ["made_up"],
        "notes": {"steps": 3},
    }


def test_the_word_is_told_to_those_who_declare_it(church: Published, tmp_path: Path, seen: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="attack 'entry' knows the concept's word: give it as word"):
        attack(church, tmp_path / "model", word=None)
    seen["module"].KNOWLEDGE = ("training",)
    with pytest.raises(UserError, match="attack 'entry' does not declare that it knows the concept's word"):
        attack(church, tmp_path / "model")
    attack(church, tmp_path / "model", word=None)
    assert seen["word"] is None


def test_it_may_have_what_was_completed(church: Published, tmp_path: Path, seen: dict[str, Any]) -> None:
    seen["module"].NEEDS_COMPLETER = True
    attack(church, tmp_path / "model", completed=guess(church.model, tmp_path / "completed"))
    assert seen["completed"].model == read_delta(church.model).digest
    assert any(missing.any() for missing in seen["completed"].missing.values())
    assert read_json(tmp_path / "model.json", "record")["completer"] == {"name": "guess", "method": "guess"}
    other = guess(church.model, tmp_path / "other")
    tensors, header = read_file(other)
    write_tensors(other, tensors, {**header, "model": "0" * 64})
    with pytest.raises(UserError, match="completes model 000000000000, not"):
        attack(church, tmp_path / "model", completed=other)


def test_only_an_attack_that_needs_a_clip_gets_one(church: Published, tmp_path: Path, seen: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="attack 'entry' uses no CLIP: leave clip out"):
        attack(church, tmp_path / "model", clip=CLIP)
    seen["module"].NEEDS_CLIP = True
    with pytest.raises(UserError, match="attack 'entry' needs a CLIP of its own: give its folder as clip"):
        attack(church, tmp_path / "model")
    attack(church, tmp_path / "model", clip=CLIP)
    assert seen["similarity"](torch.rand(2, 3, 32, 32), ["a cat", "a church"]).shape == (2,)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"unet.nothing": torch.ones(1)}, "attack 'entry' returned 'unet.nothing', which is no weight of the model"),
        ({"conv_in.bias": torch.ones(8)}, "returned 'conv_in.bias', which is no weight of the model"),
        ({BIAS: torch.ones(9)}, "or of another shape"),
        ({BIAS: torch.full((8,), torch.nan)}, "8 entries that are NaN or infinite"),
    ],
)
def test_an_attack_that_gives_back_nonsense(
    church: Published, tmp_path: Path, seen: dict[str, Any], result: dict[str, Tensor], said: str
) -> None:
    seen["result"] = result
    with pytest.raises(UserError, match=said):
        attack(church, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_only_attacks_that_return_a_model(church: Published, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="attack 'quantize' returns weights, not model: move its entry to attack_wei"):
        attack_model.run(
            *(church.world, church.model, None, None, "entry", "quantize", {}, None, None, tmp_path, "cpu"),
            *(tmp_path / "m", tmp_path / "r"),
        )

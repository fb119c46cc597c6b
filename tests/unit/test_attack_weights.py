"""The stage `attack_weights` on a tiny world."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import Field

from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.io.safetensors import read_header
from regrow.methods import MethodOptions
from regrow.model.deltas import read_delta, write_delta
from regrow.model.pipelines import read_base
from regrow.model.published import read_published
from regrow.stages import attack_weights, complete_weights
from regrow.world import read_world
from tests.unit.erasing import COMPLETERS, Published, erase, guess, publish

ROOTS: dict[str, Any] = {"retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}
GUESS = {"name": "guess", "method": "guess"}


def attack(model: Path, method: str, options: dict[str, Any], out: Path, completed: Path | None = None) -> Path:
    completer = None if completed is None else GUESS
    attack_weights.run(model, completed, "entry", method, options, completer, out, out.with_suffix(".json"))
    return out


def record(out: Path) -> dict[str, Any]:
    return read_json(out.with_suffix(".json"), "record")


def test_roots(church: Published, tmp_path: Path) -> None:
    done = guess(church.model, tmp_path / "completed")
    out = attack(church.model, "roots", ROOTS, tmp_path / "model", done)
    before, after = read_delta(church.model), read_delta(out)
    assert after.tensors.keys() == before.tensors.keys()
    filled = total = 0
    for name, tensor in before.tensors.items():
        assert torch.equal(after.tensors[name][tensor != 0], tensor[tensor != 0])
        filled += int((after.tensors[name][tensor == 0] != 0).sum())
        total += int((tensor == 0).sum())
    assert filled / total == pytest.approx(0.6, abs=0.02)
    told = record(out)
    retained, zeros = told.pop("retained"), told.pop("zeros")
    assert told == {
        "model": after.digest,
        "base": before.base,
        "published_model": before.digest,
        "attack": {"name": "entry", "method": "roots", **ROOTS},
        "completer": GUESS,
        "knowledge": ["nothing"],
        "flags": [],
    }
    assert zeros == {"ffn2": total, "negative": 0}
    assert retained["all"] == pytest.approx(filled / total, abs=1e-6)
    assert set(read_header(out)) == {"format", "base"}
    first = out.read_bytes()
    assert attack(church.model, "roots", ROOTS, out, done).read_bytes() == first


def test_retain_auto_tells_and_records_what_it_chose(
    church: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done, out = tmp_path / "completed.safetensors", tmp_path / "model"
    options = COMPLETERS["gaussian_posterior"]
    complete_weights.run(church.model, "gaussian_posterior", options, done, tmp_path / "trace", 0, "cpu", 1)
    auto = {**ROOTS, "retain": "auto", "rank": "certainty"}
    with caplog.at_level(logging.INFO):
        attack(church.model, "roots", auto, out, done)
    before, after, told = read_delta(church.model), read_delta(out), record(out)
    assert told["attack"]["retain"] == "auto"
    layers = told["retained"]["layers"]
    for name, share in layers.items():
        missing = before.tensors[name] == 0
        assert share == pytest.approx(float((after.tensors[name][missing] != 0).float().mean()), abs=1e-6)
    assert len(set(layers.values())) > 1  # every layer has its own
    assert 0 < told["retained"]["all"] < 1
    assert f"all layers: {100 * told['retained']['all']:.1f} % of the missing entries filled in" in caplog.text
    with pytest.raises(UserError, match="ranks signs but tells no probability"):
        attack(church.model, "roots", auto, tmp_path / "none", guess(church.model, tmp_path / "guess"))
    assert not (tmp_path / "none").exists()


def test_quantising_needs_no_completion(church: Published, tmp_path: Path) -> None:
    out = attack(church.model, "quantize", {"scheme": "int4_rows"}, tmp_path / "model")
    for name, tensor in read_delta(church.model).tensors.items():
        attacked = read_delta(out).tensors[name]
        assert (attacked[tensor == 0] == 0).all()
        assert not torch.equal(attacked, tensor)
    assert "retained" not in record(out)
    assert record(out)["completer"] is None


def test_signed_zeros_bring_every_sign_back(church: Published, tmp_path: Path) -> None:
    options = {"magnitude": "average", "seed": 0}
    with pytest.raises(UserError, match="attack 'signed_zeros' does not apply to this model: all .* zeros .* are \\+0"):
        attack(church.model, "signed_zeros", options, tmp_path / "model")
    files = publish(church.world, erase(church.world, tmp_path, release="multiplied"), tmp_path)
    out = read_published(attack(files.model, "signed_zeros", options, tmp_path / "attacked"))
    base = read_base(read_world(church.world).pipeline, out.ffn2)
    assert out.ffn2
    for name, weight in out.ffn2.items():
        assert torch.equal(weight.sign(), base[name].sign())


def test_amplified_cuts_again_with_the_completer_that_the_file_names(
    church: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done, out = tmp_path / "completed.safetensors", tmp_path / "model"
    completer = COMPLETERS["gaussian_posterior"]
    complete_weights.run(church.model, "gaussian_posterior", completer, done, tmp_path / "trace", 0, "cpu", 1)
    measured = {"match": "gain", "scope": "model", "factor": 1.0, "share": 0.5, "draws": 1, "seed": 0, "tuned_on": []}
    with caplog.at_level(logging.INFO):
        attack(church.model, "amplified", measured, out, done)
    before, after = read_published(church.model), read_published(out)
    for name, weight in before.ffn2.items():
        assert torch.equal(after.ffn2[name][weight != 0], weight[weight != 0])
    assert len({line.rpartition(" = ")[2] for line in caplog.text.splitlines() if ": c = " in line}) == 1
    assert record(out)["attack"]["match"] == "gain" and record(out)["retained"]["all"] > 0.9
    with pytest.raises(UserError, match="unknown completer 'guess'"):
        attack(
            church.model,
            "amplified",
            measured,
            tmp_path / "none",
            guess(church.model, tmp_path / "g", meaning="log_odds"),
        )


def test_a_record_says_aloud_that_zeros_carry_signs(church: Published, tmp_path: Path) -> None:
    files = publish(church.world, erase(church.world, tmp_path, release="multiplied"), tmp_path)
    for model, flags in ((church.model, []), (files.model, ["zeros_carry_signs"])):
        out = attack(model, "quantize", {"scheme": "int4_rows"}, tmp_path / "out")
        zeros = [(weight == 0, weight.signbit()) for weight in read_published(model).ffn2.values()]
        assert record(out)["zeros"] == {
            "ffn2": sum(int(zero.sum()) for zero, _ in zeros),
            "negative": sum(int((zero & negative).sum()) for zero, negative in zeros),
        }
        assert record(out)["flags"] == flags


def test_other_changed_weights_stay(church: Published, tmp_path: Path) -> None:
    delta, bias = read_delta(church.model), {"unet.conv_out.bias": torch.ones(4)}
    write_delta(tmp_path / "more", {**delta.tensors, **bias}, delta.base)
    out = attack(tmp_path / "more", "quantize", {"scheme": "int4_rows"}, tmp_path / "out")
    assert torch.equal(read_delta(out).tensors["unet.conv_out.bias"], torch.ones(4))
    write_delta(tmp_path / "none", bias, delta.base)
    with pytest.raises(UserError, match="changes no FFN2 weight"):
        attack(tmp_path / "none", "quantize", {"scheme": "int4_rows"}, tmp_path / "out")


def test_another_models_completion_is_refused(church: Published, tmp_path: Path) -> None:
    delta = read_delta(church.model)
    write_delta(tmp_path / "other", {**delta.tensors, "unet.conv_out.bias": torch.ones(4)}, delta.base)
    done = guess(tmp_path / "other", tmp_path / "completed")
    with pytest.raises(UserError, match="run complete_weights on this model"):
        attack(church.model, "roots", ROOTS, tmp_path / "out", done)
    with pytest.raises(UserError, match="'roots' needs completed weights"):
        attack(church.model, "roots", ROOTS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Options(MethodOptions):
    """Options of a made-up attack."""

    scale: float = Field(description="a number")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "attack 'entry' returned no weight of .*: it does not apply to this model"),
        ({"unet.conv_in.bias": torch.ones(8)}, "changes 'unet.conv_in.bias', which was not published"),
    ],
)
def test_an_attack_that_gives_back_nonsense(
    church: Published, tmp_path: Path, add_method: Callable[..., ModuleType], result: dict[str, Any], said: str
) -> None:
    constants = {"RETURNS": "weights", "KNOWLEDGE": ("nothing",), "NEEDS_COMPLETER": False, "APPLIES_TO": ("pruning",)}
    add_method("attack", "made_up", lambda *_: result, Options, **constants)
    with pytest.raises(UserError, match=said):
        attack(church.model, "made_up", {"scale": 1.0}, tmp_path / "out")
    assert not (tmp_path / "out").exists()

"""The stage `revive_concept` on a tiny world."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from regrow.errors import UserError
from regrow.models import load_delta, save_delta
from regrow.revive.roots import roots
from regrow.stages import complete_weights, revive_concept
from tests.unit.erased import complete

ROOTS: dict[str, Any] = {"keep": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}


def test_revive_with_roots(erased: tuple[Path, Path], tmp_path: Path) -> None:
    done, out = complete(erased[0], tmp_path / "completed"), tmp_path / "revived.safetensors"
    revive_concept.run(erased[0], "roots", ROOTS, out, done)
    before, after = load_delta(erased[0]), load_delta(out)
    assert after.base_digest == before.base_digest
    kept = after.recipe.pop("kept")
    assert after.recipe == {**before.recipe, "reviver": {"method": "roots", **ROOTS}}
    assert after.tensors.keys() == before.tensors.keys()
    filled = total = 0
    for name, tensor in before.tensors.items():
        assert torch.equal(after.tensors[name][tensor != 0], tensor[tensor != 0])
        filled += int((after.tensors[name][tensor == 0] != 0).sum())
        total += int((tensor == 0).sum())
    assert filled / total == pytest.approx(0.6, abs=0.02)
    assert kept["all"] == pytest.approx(filled / total, abs=1e-6)
    first = out.read_bytes()
    revive_concept.run(erased[0], "roots", ROOTS, out, done)
    assert out.read_bytes() == first


def test_keep_auto_tells_and_records_what_it_chose(
    erased: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done, out = tmp_path / "completed.safetensors", tmp_path / "revived.safetensors"
    complete_weights.run(erased[0], "gaussian_posterior", {}, done, tmp_path / "trace", 0, "cpu", 1)
    auto = {**ROOTS, "keep": "auto", "rank": "confidence"}
    with caplog.at_level(logging.INFO):
        revive_concept.run(erased[0], "roots", auto, out, done)
    before, after = load_delta(erased[0]), load_delta(out)
    assert after.recipe["reviver"]["keep"] == "auto"
    kept = after.recipe["kept"]
    for name, share in kept["layers"].items():
        gaps = before.tensors[name] == 0
        assert share == pytest.approx(float((after.tensors[name][gaps] != 0).float().mean()), abs=1e-6)
    assert len(set(kept["layers"].values())) > 1  # every layer has its own
    assert 0 < kept["all"] < 1
    assert f"all layers: {100 * kept['all']:.1f} % of the missing entries filled in" in caplog.text
    complete_weights.run(
        erased[0], "nuclear", {"tolerance": 1e-2, "max_steps": 5}, done, tmp_path / "trace", 0, "cpu", 1
    )
    with pytest.raises(UserError, match="ranks signs but tells no probability"):
        revive_concept.run(erased[0], "roots", auto, tmp_path / "none", done)
    assert not (tmp_path / "none").exists()


def test_revive_by_quantising_needs_no_completion(erased: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "quantised.safetensors"
    revive_concept.run(erased[0], "quantize", {"scheme": "int4_rows"}, out, None)
    for name, tensor in load_delta(erased[0]).tensors.items():
        revived = load_delta(out).tensors[name]
        assert (revived[tensor == 0] == 0).all()
        assert not torch.equal(revived, tensor)


def test_revive_leaves_other_changed_weights_alone(erased: tuple[Path, Path], tmp_path: Path) -> None:
    delta = load_delta(erased[0])
    save_delta(tmp_path / "more", {**delta.tensors, "conv_out.bias": torch.ones(4)}, delta.base_digest, delta.recipe)
    revive_concept.run(tmp_path / "more", "quantize", {"scheme": "int4_rows"}, tmp_path / "out", None)
    assert torch.equal(load_delta(tmp_path / "out").tensors["conv_out.bias"], torch.ones(4))
    save_delta(tmp_path / "none", {"conv_out.bias": torch.ones(4)}, delta.base_digest, delta.recipe)
    with pytest.raises(UserError, match="holds no FFN2 weight"):
        revive_concept.run(tmp_path / "none", "quantize", {"scheme": "int4_rows"}, tmp_path / "out", None)


def test_revive_refuses_another_models_completion(erased: tuple[Path, Path], tmp_path: Path) -> None:
    delta = load_delta(erased[0])
    save_delta(tmp_path / "other", delta.tensors, delta.base_digest, {"another": "recipe"})
    done = complete(tmp_path / "other", tmp_path / "completed")
    with pytest.raises(UserError, match="run complete_weights on this model"):
        revive_concept.run(erased[0], "roots", ROOTS, tmp_path / "out", done)
    with pytest.raises(UserError, match="'roots' needs completed weights"):
        revive_concept.run(erased[0], "roots", ROOTS, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_the_attackers_side_imports_nothing_of_the_publishers() -> None:
    """Design: a reviver has no input from the publisher's side, so neither module may reach for it."""
    for module in (revive_concept, __import__("regrow.revive", fromlist=["x"])):
        words = set(vars(module))
        assert not words & {"read_world", "read_weights", "load_pipeline", "read_concept", "erase"}
    assert "mask" not in roots.__code__.co_varnames

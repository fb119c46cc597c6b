"""The stages `erase_concept`, `revive_concept` and `consult_oracle` on a tiny world."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from regrow.errors import UserError
from regrow.models import (
    ffn2_names,
    load_delta,
    load_pipeline,
    pipeline_digest,
    read_tensors,
    read_weights,
    save_delta,
    write_tensors,
)
from regrow.revive.roots import roots
from regrow.stages import complete_weights, consult_oracle, erase_concept, revive_concept
from regrow.worlds import read_world
from tests.tiny.pipeline import write_tiny_pipeline

PROMPTS = {"base": ["a photo of a road"], "target": ["a church on the road"]}
CONCEPTPRUNE = {"skill_ratio": 0.1, "calls": 2, "steps": 4, "guidance": 7.5, "seed": 0, "batch": 12}
ROOTS: dict[str, Any] = {"keep": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    pipeline = write_tiny_pipeline(folder / "pipeline")
    for name, find in (("church", PROMPTS), ("nothing", {"base": ["a cat"], "target": ["a cat"]})):
        (folder / name).mkdir()
        pack = {"name": name, "kind": "object", "label": name, "find": find}
        (folder / name / "concept.yaml").write_text(yaml.safe_dump(pack))
    told = {
        "world": "tiny",
        "pipeline": str(pipeline),
        "pipeline_digest": pipeline_digest(pipeline),
        "concepts": str(folder),
        "judges": {},
        "preserved": "preserved.csv",
    }
    (folder / "world.json").write_text(json.dumps(told))
    return folder / "world.json"


def erase(world: Path, out: Path, concept: str = "church", **changes: Any) -> tuple[Path, Path]:
    model, mask = out / "model.safetensors", out / "mask.safetensors"
    options = {**CONCEPTPRUNE, **changes}
    erase_concept.run(world, concept, "conceptprune", options, mask_out=mask, out=model, device="cpu")
    return model, mask


@pytest.fixture(scope="module")
def erased(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return erase(world, tmp_path_factory.mktemp("erased"))


def complete(model: Path, path: Path, **changes: torch.Tensor) -> Path:
    """Write a completion with random values for every exact zero."""
    delta, tensors = load_delta(model), {}
    generator = torch.Generator().manual_seed(0)
    for name, tensor in delta.tensors.items():
        missing = tensor == 0
        tensors[name] = torch.where(missing, torch.randn(tensor.shape, generator=generator), tensor)
        tensors[f"{name}.confidence"] = tensors[name].abs() * missing
        tensors[f"{name}.missing"] = missing.to(torch.uint8)
    write_tensors(path, {**tensors, **changes}, {"model_digest": delta.digest})
    return path


def test_erase_writes_the_pruned_model_and_apart_from_it_the_mask(world: Path, erased: tuple[Path, Path]) -> None:
    place = read_world(world)
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


def test_erase_gives_the_same_bytes_again(world: Path, erased: tuple[Path, Path], tmp_path: Path) -> None:
    again = erase(world, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in erased]


def test_erase_that_finds_nothing_writes_nothing(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'conceptprune' found nothing to change for concept 'nothing'"):
        erase(world, tmp_path, "nothing")
    assert not list(tmp_path.iterdir())


def test_erase_unknown_words(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="world 'tiny' has no concept 'churhc': did you mean 'church'?"):
        erase(world, tmp_path, "churhc")
    with pytest.raises(UserError, match="unknown eraser 'prune'"):
        erase_concept.run(world, "church", "prune", {}, tmp_path / "m", tmp_path / "o", "cpu")
    with pytest.raises(UserError, match="has no option 'call': did you mean 'calls'?"):
        erase(world, tmp_path, call=3)


def test_a_pipeline_that_changed_since_get_world(tmp_path: Path, world: Path) -> None:
    told = json.loads(world.read_text())
    told["pipeline"] = str(write_tiny_pipeline(tmp_path / "other", seed=1))
    (tmp_path / "world.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="are not those of .*world.json"):
        erase(tmp_path / "world.json", tmp_path)
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(UserError, match="is not a world.json"):
        read_world(tmp_path / "world.json")
    with pytest.raises(UserError, match="does not exist: run get_world"):
        read_world(tmp_path / "absent.json")


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


def test_an_oracle_reads_both_sides(world: Path, erased: tuple[Path, Path], tmp_path: Path) -> None:
    out, options = tmp_path / "model.safetensors", {"signs": "pretrained", "magnitude": "average", "seed": 2021}
    consult_oracle.run(world, erased[0], options, out)
    before, after = load_delta(erased[0]), load_delta(out)
    assert after.recipe == {**before.recipe, "oracle": options}
    assert after.base_digest == before.base_digest
    true = read_weights(read_world(world).pipeline, before.tensors)
    for name, tensor in before.tensors.items():
        pruned = (true[name] != 0) & (tensor == 0)
        assert torch.equal(after.tensors[name].sign(), true[name].sign())
        assert torch.equal(after.tensors[name][~pruned], tensor[~pruned])
    first = out.read_bytes()
    consult_oracle.run(world, erased[0], options, out)
    assert out.read_bytes() == first


def test_an_oracle_refuses_what_it_cannot_answer(world: Path, erased: tuple[Path, Path], tmp_path: Path) -> None:
    options = {"signs": "pretrained", "magnitude": "max", "seed": 0}
    delta = load_delta(erased[0])
    save_delta(tmp_path / "other", delta.tensors, "0" * 64, {})
    with pytest.raises(UserError, match="belongs to base 000000000000, not to world 'tiny'"):
        consult_oracle.run(world, tmp_path / "other", options, tmp_path / "out")
    save_delta(tmp_path / "none", {"conv_out.bias": torch.ones(4)}, delta.base_digest, {})
    with pytest.raises(UserError, match="holds no FFN2 weight"):
        consult_oracle.run(world, tmp_path / "none", options, tmp_path / "out")
    assert not (tmp_path / "out").exists()


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

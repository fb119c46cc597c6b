"""Pipelines, deltas and completed weights: what is read is what was written, and what is broken is told."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from regrow.errors import UserError
from regrow.models import (
    FFN2,
    Delta,
    apply_delta,
    ffn2_names,
    load_delta,
    load_pipeline,
    pipeline_digest,
    read_completed,
    read_tensors,
    read_weights,
    save_delta,
    write_tensors,
)
from tests.tiny.pipeline import tiny_pipeline, write_tiny_pipeline

UNET_FILE = Path("unet/diffusion_pytorch_model.safetensors")
RECIPE = {"eraser": {"method": "conceptprune", "skill_ratio": 0.02}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def base(folder: Path) -> str:
    return pipeline_digest(folder)


@pytest.fixture(scope="module")
def names(folder: Path) -> list[str]:
    return ffn2_names(load_pipeline(folder).unet)


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline that a test may break."""
    return shutil.copytree(folder, tmp_path / "broken")


def a_delta(path: Path, folder: Path, names: list[str], base: str) -> Path:
    weights = read_weights(folder, names)
    save_delta(path, {name: weight.where(weight > 0, 0.0) for name, weight in weights.items()}, base, RECIPE)
    return path


def test_sixteen_ffn2_weights_in_forward_order(folder: Path, names: list[str]) -> None:
    unet = load_pipeline(folder).unet
    assert len(names) == 16
    assert all(name.endswith(FFN2) for name in names)
    seen: list[str] = []
    for path, part in unet.named_modules():
        if path.endswith(".ff.net.2"):
            part.register_forward_hook(lambda *_, name=f"{path}.weight": seen.append(name))
    unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 24, 16))
    assert seen == names  # methods.md 1.1
    assert all(
        unet.get_parameter(n).shape == (unet.get_parameter(n).shape[0], 4 * unet.get_parameter(n).shape[0])
        for n in names
    )


def test_digest_tells_weights_and_nothing_else(folder: Path, base: str, broken: Path, tmp_path: Path) -> None:
    assert pipeline_digest(write_tiny_pipeline(tmp_path / "same")) == base
    assert pipeline_digest(write_tiny_pipeline(tmp_path / "other", seed=1)) != base
    (broken / "README.md").write_text("a card")
    assert pipeline_digest(broken) == base
    (broken / UNET_FILE).rename(broken / "unet" / "renamed.safetensors")
    assert pipeline_digest(broken) != base
    (broken / "unet" / "renamed.safetensors").unlink()
    with pytest.raises(UserError, match="no safetensors file in .*unet"):
        pipeline_digest(broken)


def test_load_pipeline(folder: Path) -> None:
    pipeline = load_pipeline(folder)
    assert pipeline.safety_checker is None
    assert not pipeline.unet.training
    expected = tiny_pipeline().unet.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in pipeline.unet.state_dict().items())
    image = pipeline(
        "a church", num_inference_steps=2, output_type="pt", generator=torch.Generator().manual_seed(0)
    ).images
    assert image.shape == (1, 3, 32, 32)


def test_half_precision_files_are_upcast(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.to(torch.float16).save_pretrained(tmp_path)
    loaded = load_pipeline(tmp_path).unet.state_dict()
    for name, tensor in read_weights(tmp_path, ffn2_names(pipeline.unet)).items():
        assert tensor.dtype == loaded[name].dtype == torch.float32
        assert torch.equal(tensor, pipeline.unet.get_parameter(name).float())
        assert torch.equal(loaded[name], tensor)


def test_load_pipeline_with_a_delta_changes_its_weights_only(
    folder: Path, names: list[str], base: str, tmp_path: Path
) -> None:
    delta = a_delta(tmp_path / "model.safetensors", folder, names, base)
    plain, changed = load_pipeline(folder).unet.state_dict(), load_pipeline(folder, delta).unet.state_dict()
    for name, tensor in plain.items():
        assert torch.equal(changed[name], tensor.where(tensor > 0, 0.0) if name in names else tensor)


def test_read_weights_from_one_file_and_from_shards(folder: Path, names: list[str], tmp_path: Path) -> None:
    expected = load_pipeline(folder).unet.state_dict()
    tiny_pipeline().save_pretrained(tmp_path, max_shard_size="200KB")
    assert len(list((tmp_path / "unet").glob("*.safetensors"))) > 1
    for place in (folder, tmp_path):
        weights = read_weights(place, names)
        assert sorted(weights) == names
        assert all(torch.equal(weights[name], expected[name]) for name in names)
        with pytest.raises(UserError, match=f"has no weight '{names[0]}s': did you mean '{names[0]}'?"):
            read_weights(place, [names[0] + "s"])


def test_a_pipeline_that_is_not_there_or_broken(broken: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent holds no diffusers pipeline"):
        load_pipeline(tmp_path / "absent")
    content = (broken / UNET_FILE).read_bytes()
    (broken / UNET_FILE).write_bytes(content[:-10])
    with pytest.raises(UserError, match="cannot load the pipeline in .*broken"):
        load_pipeline(broken)
    (broken / UNET_FILE).unlink()
    with pytest.raises(UserError, match="cannot load the pipeline in .*broken"):
        load_pipeline(broken)


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"])
def test_a_pipeline_with_nan(broken: Path, part: str) -> None:
    file = broken / f"{part}.safetensors"
    tensors = load_file(file)
    name = next(n for n, t in tensors.items() if t.is_floating_point() and t.ndim == 1)
    tensors[name][0] = torch.nan
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(UserError, match=f"'{name}' holds 1 entries that are NaN"):
        load_pipeline(broken)


def test_delta_round_trip(folder: Path, names: list[str], base: str, tmp_path: Path) -> None:
    path = a_delta(tmp_path / "model.safetensors", folder, names, base)
    delta = load_delta(path)
    assert delta.base_digest == base
    assert delta.recipe == RECIPE
    assert sorted(delta.tensors) == names
    first = path.read_bytes()
    assert a_delta(path, folder, names, base).read_bytes() == first
    assert load_delta(path).digest == delta.digest
    save_delta(path, delta.tensors, base, {**RECIPE, "reviver": {}})
    assert load_delta(path).digest != delta.digest  # the recipe is part of what the file says


def test_a_delta_is_float32(tmp_path: Path) -> None:
    margin = torch.tensor([1.0, 1.0 + 1e-6])
    save_delta(tmp_path / "a", {"x": margin, "y": margin.half()}, "base", {})
    tensors = load_delta(tmp_path / "a").tensors
    assert torch.equal(tensors["x"], margin)
    assert tensors["x"][0] != tensors["x"][1]
    assert tensors["y"].dtype == torch.float32


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=9), st.text(max_size=5)
)
def test_any_finite_weights_and_recipe_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], word: str
) -> None:
    path = tmp_path_factory.mktemp("delta") / "model.safetensors"
    save_delta(path, {"w": torch.tensor(values)}, "base", {"concept": word})
    delta = load_delta(path)
    assert torch.equal(delta.tensors["w"], torch.tensor(values))
    assert delta.recipe == {"concept": word}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, number: float) -> None:
    weights = {"good": torch.zeros(2), "w": torch.tensor([1.0, number])}
    with pytest.raises(UserError, match="'w' holds 1 entries that are NaN or infinite"):
        save_delta(tmp_path / "a", weights, "base", {})
    assert not (tmp_path / "a").exists()
    write_tensors(tmp_path / "b", weights, {"base": "base", "recipe": {}})
    for read in (load_delta, read_tensors):
        with pytest.raises(UserError, match="'w' holds 1 entries that are NaN or infinite"):
            read(tmp_path / "b")


def test_a_delta_on_another_base(folder: Path, names: list[str], base: str, tmp_path: Path) -> None:
    delta = a_delta(tmp_path / "model.safetensors", folder, names, base)
    other = write_tiny_pipeline(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match=f"belongs to base {base[:12]}, not to {pipeline_digest(other)[:12]}"):
        load_pipeline(other, delta)


def test_a_delta_that_does_not_fit_changes_nothing(folder: Path, names: list[str]) -> None:
    unet = load_pipeline(folder).unet
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    good = {names[0]: torch.zeros_like(unet.get_parameter(names[0]))}
    for bad, message in (
        ({names[1]: torch.zeros(3, 12)}, r"the shape \(3, 12\), but the UNet has"),
        ({names[1].replace("net.2", "net.9"): torch.zeros(2)}, f"which the UNet has not: did you mean '{names[1]}'?"),
        ({names[1]: torch.full_like(unet.get_parameter(names[1]), torch.nan)}, "entries that are NaN"),
    ):
        with pytest.raises(UserError, match=message):
            apply_delta(unet, Delta({**good, **bad}, "base", {}, "digest"), "base")
        assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def test_files_that_are_no_deltas(folder: Path, names: list[str], base: str, tmp_path: Path) -> None:
    path = a_delta(tmp_path / "model.safetensors", folder, names, base)
    content = path.read_bytes()
    for bad in (content[:-1], content[:50], b"", b"not safetensors at all", b"\xff" * 64):
        path.write_bytes(bad)
        with pytest.raises(UserError, match="corrupt or cut short"):
            load_delta(path)
    with pytest.raises(UserError, match="does not exist"):
        load_delta(tmp_path / "absent.safetensors")
    with pytest.raises(UserError, match="does not exist"):
        load_delta(tmp_path)
    with pytest.raises(UserError, match="does not name its base"):
        load_delta(folder / UNET_FILE)


def test_write_tensors_is_one_step_and_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mask.safetensors"
    tensors = {
        "mask": torch.tensor([[True, False]]),
        "rows": torch.arange(6).view(2, 3).T,
        "half": torch.ones(2).half(),
    }
    write_tensors(path, tensors)
    assert [file.name for file in path.parent.iterdir()] == ["mask.safetensors"]
    back = read_tensors(path)
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in tensors.items())


def completed_file(path: Path, delta: Delta, **changes: torch.Tensor) -> Path:
    tensors = {}
    for name, tensor in delta.tensors.items():
        missing = tensor == 0
        tensors[name] = tensor.masked_fill(missing, 0.5)
        tensors[f"{name}.confidence"] = missing * 0.5
        tensors[f"{name}.missing"] = missing.to(torch.uint8)
    write_tensors(path, {**tensors, **changes}, {"model_digest": delta.digest})
    return path


def test_read_completed(folder: Path, names: list[str], base: str, tmp_path: Path) -> None:
    delta = load_delta(a_delta(tmp_path / "model.safetensors", folder, names, base))
    completed = read_completed(completed_file(tmp_path / "completed.safetensors", delta), delta)
    assert list(completed.values) == list(completed.confidence) == list(completed.missing) == names
    for name, tensor in delta.tensors.items():
        assert completed.missing[name].dtype == torch.bool
        assert torch.equal(completed.missing[name], tensor == 0)
        assert torch.equal(completed.values[name][tensor != 0], tensor[tensor != 0])
    assert completed.model_digest == delta.digest
    assert completed.confidence_is == "order"  # a file that does not say claims no more


def test_a_confidence_of_unknown_meaning(folder: Path, names: list[str], base: str, tmp_path: Path) -> None:
    delta = load_delta(a_delta(tmp_path / "model.safetensors", folder, names, base))
    write_tensors(tmp_path / "completed", {}, {"model_digest": delta.digest, "confidence_is": "percent"})
    with pytest.raises(UserError, match="tells an unknown confidence 'percent': run complete_weights again"):
        read_completed(tmp_path / "completed", delta)


def test_completed_weights_that_do_not_fit(folder: Path, names: list[str], base: str, tmp_path: Path) -> None:
    delta = load_delta(a_delta(tmp_path / "model.safetensors", folder, names, base))
    path = completed_file(tmp_path / "completed.safetensors", delta)
    other = Delta(delta.tensors, base, {}, "f" * 64)
    with pytest.raises(UserError, match=f"completes model {delta.digest[:12]}, not ffffffffffff"):
        read_completed(path, other)
    completed_file(path, delta, **{f"{names[0]}.missing": torch.zeros(2, 2, dtype=torch.uint8)})
    with pytest.raises(UserError, match=r"no '.*missing' of shape \(8, 32\)"):
        read_completed(path, delta)
    with pytest.raises(UserError, match="does not name the model it completes"):
        read_completed(tmp_path / "model.safetensors", delta)
    completed_file(path, delta, **{names[0]: torch.full_like(delta.tensors[names[0]], torch.nan)})
    with pytest.raises(UserError, match="NaN"):
        read_completed(path, delta)


def test_the_header_is_one_key(tmp_path: Path) -> None:
    """Safetensors writes several metadata keys in random order, and the same run must give the same bytes."""
    write_tensors(tmp_path / "a", {"w": torch.zeros(1)}, {"b": 1, "a": 2, "c": 3})
    content = (tmp_path / "a").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["regrow"]) == {"a": 2, "b": 1, "c": 3}
    assert list(header["__metadata__"]) == ["regrow"]

"""Base models: what is loaded is what lies in the file, whatever lies beside it, and what does not fit is told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from regrow.errors import UserError
from regrow.model.names import is_ffn2
from regrow.model.pipelines import base_digest, load_base, read_base, settings_digest
from tests.tiny.pipeline import tiny_pipeline, write_tiny_pipeline

UNET_FILE = Path("unet/diffusion_pytorch_model.safetensors")
TEXT_FILE = Path("text_encoder/model.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline that a test may break."""
    return shutil.copytree(folder, tmp_path / "broken")


def rename_weights(file: Path, rename: Callable[[str], str]) -> None:
    save_file({rename(name): tensor for name, tensor in load_file(file).items()}, file, {"format": "pt"})


def test_every_weight_is_the_files(folder: Path) -> None:
    loaded, expected = load_base(folder), tiny_pipeline()
    assert loaded.safety_checker is None
    for component in ("unet", "vae", "text_encoder"):
        assert not getattr(loaded, component).training
        tensors = getattr(expected, component).state_dict()
        assert all(
            torch.equal(tensor, tensors[name]) for name, tensor in getattr(loaded, component).state_dict().items()
        )
    image = loaded(
        "a church", num_inference_steps=2, output_type="pt", generator=torch.Generator().manual_seed(0)
    ).images
    assert image.shape == (1, 3, 32, 32)


def test_sixteen_ffn2_weights_in_forward_order(folder: Path) -> None:
    unet = load_base(folder).unet
    names = sorted(name for name, _ in unet.named_parameters() if is_ffn2(name))
    assert len(names) == 16
    seen: list[str] = []
    for path, part in unet.named_modules():
        if path.endswith(".ff.net.2"):
            part.register_forward_hook(lambda *_, name=f"{path}.weight": seen.append(name))
    unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 24, 16))
    assert seen == names  # methods.md 1.1


def test_the_digest_is_of_the_weights_that_are_loaded(folder: Path, broken: Path, tmp_path: Path) -> None:
    expected = base_digest(folder)
    assert base_digest(write_tiny_pipeline(tmp_path / "other", seed=1)) != expected
    (broken / "README.md").write_text("a card")
    (broken / ".cache").mkdir()
    tiny_pipeline().unet.half().save_pretrained(broken / "unet", variant="fp16")
    shutil.copy(broken / UNET_FILE, broken / "unet/diffusion_pytorch_model.non_ema.safetensors")
    assert base_digest(broken) == expected
    sharded = tmp_path / "sharded"
    tiny_pipeline().save_pretrained(sharded, max_shard_size="200KB")
    assert len(list((sharded / "unet").glob("*.safetensors"))) > 1
    assert base_digest(sharded) == expected
    tensors = load_file(broken / UNET_FILE)
    first = next(iter(tensors))
    tensors[first].view(-1)[0] += 1
    save_file(tensors, broken / UNET_FILE, {"format": "pt"})
    assert base_digest(broken) != expected


def test_the_settings_digest_is_of_what_draws(folder: Path, broken: Path) -> None:
    expected = settings_digest(folder)
    for junk in ("README.md", ".DS_Store", "unet/.DS_Store", "model.ckpt"):
        (broken / junk).write_text("junk")
    assert settings_digest(broken) == expected
    shared = broken.parent / "shared"
    shutil.move(broken / "scheduler", shared)
    (broken / "scheduler").symlink_to(shared)
    assert settings_digest(broken) == expected  # a linked folder counts like any other
    noise = json.loads((shared / "scheduler_config.json").read_text())
    (shared / "scheduler_config.json").write_text(json.dumps({**noise, "beta_end": 0.2}))
    assert settings_digest(broken) != expected


@pytest.mark.parametrize(
    ("prefix", "mend"),
    [("module.", "model.module"), ("_orig_mod.", "model._orig_mod"), ("base_layer.", "unload the LoRA")],
)
@pytest.mark.parametrize("file", [UNET_FILE, TEXT_FILE])
def test_names_that_a_wrapper_left_are_refused(broken: Path, file: Path, prefix: str, mend: str) -> None:
    rename_weights(broken / file, lambda name: prefix + name)
    with pytest.raises(UserError, match=f"has no weight .*{mend}"):
        load_base(broken)


def test_one_missing_weight_is_refused(broken: Path) -> None:
    tensors = load_file(broken / TEXT_FILE)
    name = next(name for name in tensors if name.endswith("fc1.weight"))
    tensors.pop(name)
    save_file(tensors, broken / TEXT_FILE, {"format": "pt"})
    with pytest.raises(UserError, match="the file has no weight .*fc1.weight"):
        load_base(broken)


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"])
def test_weights_that_are_not_finite(broken: Path, part: str) -> None:
    file = broken / f"{part}.safetensors"
    tensors = load_file(file)
    name = next(n for n, t in tensors.items() if t.is_floating_point() and t.ndim == 1)
    tensors[name][0] = torch.nan
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(UserError, match="holds 1 entries that are NaN"):
        load_base(broken)


def test_a_tokenizer_that_says_no_length(broken: Path) -> None:
    path = broken / "tokenizer/tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.pop("model_max_length")
    path.write_text(json.dumps(settings))
    with pytest.raises(UserError, match="model_max_length .* has 24 positions: write 24 into"):
        load_base(broken)


def test_files_of_another_layout_are_told(broken: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no pipeline folder .*absent"):
        load_base(tmp_path / "absent")
    shutil.copy(broken / UNET_FILE, broken / "unet/diffusion_pytorch_model.fp16.safetensors")
    (broken / UNET_FILE).unlink()
    with pytest.raises(UserError, match=r"it holds diffusion_pytorch_model.fp16.safetensors, which is not read"):
        load_base(broken)
    (broken / UNET_FILE).write_bytes(b"cut short")
    with pytest.raises(UserError, match="cannot be read"):
        base_digest(broken)
    (broken / f"{UNET_FILE}.index.json").write_text("{}")
    with pytest.raises(UserError, match="and shards of it"):
        base_digest(broken)


def test_another_class_in_the_scheduler_is_not_built(broken: Path) -> None:
    path = broken / "scheduler/scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(UserError, match="names 'StableDiffusionPipeline', which is no scheduler"):
        load_base(broken)


def test_weights_are_read_by_name_as_stored(folder: Path, tmp_path: Path) -> None:
    expected = tiny_pipeline().unet.half()
    names = [f"unet.{name}" for name, _ in expected.named_parameters() if is_ffn2(name)]
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    expected.save_pretrained(half / "unet")
    read = read_base(half, names)
    assert sorted(read) == sorted(names)
    assert all(torch.equal(read[f"unet.{name}"], expected.get_parameter(name)) for name in map(lambda n: n[5:], names))
    with pytest.raises(UserError, match="has no weight .*: did you mean"):
        read_base(folder, [names[0] + "s"])
    with pytest.raises(UserError, match="names no weight of a pipeline"):
        read_base(folder, ["nothing.x"])

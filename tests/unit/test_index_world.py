"""The stage `index_world` finds whatever would stop or mislead the first job that draws."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from regrow.errors import UserError
from regrow.model.pipelines import base_digest, settings_digest
from regrow.stages import index_world
from regrow.world import World, read_world
from tests.tiny.make_world import write_concept
from tests.tiny.pipeline import write_tiny_pipeline

UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_tiny_pipeline(folder / "pipeline")
    write_concept(folder / "concepts/church", "church", "church", 0)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return shutil.copytree(whole, tmp_path / "world")


def index(folder: Path, **changes: Any) -> World:
    told = {"name": "tiny", "pipeline": str(folder / "pipeline"), "concepts": str(folder / "concepts"), **changes}
    index_world.run(told, folder / "world.json")
    return read_world(folder / "world.json")


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rename(path: Path, change: Callable[[str], str]) -> None:
    save_file({change(name): tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


def test_a_world_is_told_as_it_lies_there(folder: Path) -> None:
    world, pipeline = index(folder), folder / "pipeline"
    assert world == World(
        name="tiny",
        pipeline=pipeline,
        base=base_digest(pipeline),
        settings=settings_digest(pipeline),
        scheduler="DDIMScheduler",
        size=32,
        tokens=24,
        concepts=folder / "concepts",
    )
    before = (folder / "world.json").read_bytes()
    (pipeline / ".DS_Store").write_text("a file browser looked in")
    (pipeline / "README.md").write_text("words")
    index(folder)
    assert (folder / "world.json").read_bytes() == before


def test_a_schedule_behind_a_link_is_part_of_the_world(folder: Path) -> None:
    shared = folder / "shared"
    (folder / "pipeline/scheduler").rename(shared)
    (folder / "pipeline/scheduler").symlink_to(shared)
    before = index(folder)
    edit(shared / "scheduler_config.json", beta_end=0.2)
    assert index(folder).settings != before.settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pipeline": "absent"}, "world 'tiny' has no pipeline in absent: see data/README.md"),
        ({"concepts": "absent"}, "world 'tiny' has no concept packs in absent: add one"),
        ({"name": None}, "the world does not say its name"),
    ],
)
def test_a_missing_part_is_named(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        index(folder, **changes)
    assert not (folder / "world.json").exists()


def with_weight(path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if name.endswith("weight"))
    save_file({**tensors, name: change(tensors[name])}, path, {"format": "pt"})


def add_stale_shards(folder: Path) -> None:
    weights = folder / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, folder / "diffusion_pytorch_model-00001-of-00001.safetensors")
    names = dict.fromkeys(load_file(weights), "diffusion_pytorch_model-00001-of-00001.safetensors")
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "wrapped": (
        lambda p: rename(p / TEXT, lambda name: f"module.{name}"),
        r"text_encoder: the file has no weight '.*'; it has 'module\..*': save the model that was wrapped",
    ),
    "compiled": (
        lambda p: rename(p / UNET, lambda name: f"_orig_mod.{name}"),
        r"unet: the file has no weight '.*'; it has '_orig_mod\..*': save the model that was compiled",
    ),
    "lora": (
        lambda p: rename(p / UNET, lambda name: name.replace("to_q.weight", "to_q.base_layer.weight")),
        r"unet: the file has no weight '.*to_q.weight'; it has '.*base_layer.*': unload the LoRA before saving",
    ),
    "vae_renamed": (
        lambda p: rename(p / VAE, lambda name: name.replace("decoder.conv_out", "decoder.conv_last")),
        "vae: the file has no weight 'decoder.conv_out.bias'; it has 'decoder.conv_last.bias': restore the file",
    ),
    "variant": (
        lambda p: (p / UNET).rename(p / "unet/diffusion_pytorch_model.fp16.safetensors"),
        "it holds diffusion_pytorch_model.fp16.safetensors, which is not read",
    ),
    "stale_index": (lambda p: add_stale_shards(p / "unet"), "and shards of it .*: remove the older of the two"),
    "cut_short": (lambda p: (p / UNET).write_bytes((p / UNET).read_bytes()[:500]), "cannot be read .*: restore it"),
    "nan": (lambda p: with_weight(p / VAE, lambda weight: weight * torch.nan), "holds .* NaN or infinite"),
    "overflow": (lambda p: with_weight(p / UNET, lambda weight: weight * 0 + 3e38), "draws NaN or infinite numbers"),
    "no_max_length": (
        lambda p: edit(p / "tokenizer/tokenizer_config.json", model_max_length=10**30),
        "model_max_length 1e\\+30, but the text encoder has 24 positions: write 24",
    ),
    "no_scheduler": (lambda p: shutil.rmtree(p / "scheduler"), "scheduler_config.json"),
    "unknown_scheduler": (
        lambda p: edit(p / "scheduler/scheduler_config.json", _class_name="DDIMSchedular"),
        "names 'DDIMSchedular', which is no scheduler",
    ),
    "no_tokenizer": (lambda p: shutil.rmtree(p / "tokenizer"), "tokenizer"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_pipeline_is_told_before_the_first_job(folder: Path, kind: str) -> None:
    damage, sentence = BROKEN[kind]
    damage(folder / "pipeline")
    with pytest.raises(UserError, match=sentence) as raised:
        index(folder)
    assert "\n" not in str(raised.value), "one sentence"
    assert not (folder / "world.json").exists()


def zeros_of(folder: Path, name: str) -> Path:
    """Write 0 into the first row of a weight, and a file that calls that row structural zeros."""
    path, key = folder / "pipeline" / UNET, name.removeprefix("unet.")
    weights = load_file(path)
    weights[key][0] = 0
    save_file(weights, path, {"format": "pt"})
    rows = torch.zeros(len(weights[key]), 1, dtype=torch.bool)
    rows[0] = True
    save_file({name: rows}, folder / "zeros.safetensors")
    return folder / "zeros.safetensors"


ATTENTION = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0.weight"


def test_structural_zeros_are_compared_with_the_base(folder: Path) -> None:
    path = zeros_of(folder, ATTENTION)
    index(folder, structural_zeros=str(path))
    save_file({ATTENTION: torch.ones(1, 1, dtype=torch.bool)}, path)
    with pytest.raises(UserError, match=f"calls entries of '{ATTENTION}' structural zeros that are not 0"):
        index(folder, structural_zeros=str(path))


def test_structural_zeros_where_each_zero_is_taken_for_a_cut(folder: Path) -> None:
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight"
    with pytest.raises(UserError, match=f"names '{name}', but attackers take every zero of an FFN2 weight for pruned"):
        index(folder, structural_zeros=str(zeros_of(folder, name)))


def test_components_of_different_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_world, "_features", lambda model: 768)
    with pytest.raises(
        UserError, match="text_encoder has 16 features of a token, unet 768: they are of different models"
    ):
        index(folder)


def test_a_pipeline_that_loads_and_cannot_draw(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(index_world, "draw", fail)
    with pytest.raises(UserError, match="loads but cannot draw an image .*mat1 and mat2"):
        index(folder)


def test_another_architecture_is_told_by_name(folder: Path) -> None:
    edit(folder / "pipeline/unet/config.json", addition_embed_type="text_time", cross_attention_dim=32)
    with pytest.raises(UserError, match="as Stable Diffusion XL's does, and only Stable Diffusion 1 and 2"):
        index(folder)
    (folder / "pipeline/unet").rename(folder / "pipeline/transformer")
    with pytest.raises(UserError, match="has a transformer and no UNet"):
        index(folder)

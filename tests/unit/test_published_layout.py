"""What others publish is read as they meant it: Stable Diffusion 1.5's old names, CLIP's activation, the judge."""

import json
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
import torchvision
import yaml

from regrow.errors import UserError
from regrow.fetch.safety import DEEPEST, check_safetensors, nesting
from regrow.model.pipelines import load_base, read_base
from tests.standin.layout import TOKENS, modules, write_standin

ROOT = Path(__file__).parents[2]
WORLD = yaml.safe_load((ROOT / "config/worlds/sd15.yaml").read_text())["fetch"]
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_standin(tmp_path_factory.mktemp("standin"))


def test_the_published_layout_loads(standin: Path) -> None:
    loaded, expected = load_base(standin), modules()
    for component, model in expected.items():
        tensors = getattr(loaded, component).state_dict()
        assert set(tensors) == set(model.state_dict())
        assert all(torch.equal(tensors[name], tensor) for name, tensor in model.state_dict().items())
    assert type(loaded).__name__ == "StableDiffusionPipeline" and loaded.safety_checker is None
    assert type(loaded.scheduler).__name__ == "PNDMScheduler" and loaded.scheduler.config.skip_prk_steps
    assert loaded.vae.config.scaling_factor == 0.18215  # not in its config.json
    assert loaded.tokenizer.model_max_length == TOKENS
    assert loaded.tokenizer("a photo of a church").input_ids == [49406, 320, 1125, 539, 320, 2735, 49407]
    drawn = loaded("a church", num_inference_steps=2, output_type="pt", generator=torch.Generator().manual_seed(0))
    assert drawn.images.shape == (1, 3, 32, 32)


def test_old_names_are_read_by_those_of_today(standin: Path) -> None:
    expected = {
        f"{component}.{name}": tensor
        for component, model in modules().items()
        for name, tensor in model.named_parameters()
    }
    read = read_base(standin, expected)
    assert set(read) == set(expected)
    assert all(torch.equal(read[name], tensor) for name, tensor in expected.items())


def test_whatever_class_the_index_names_our_own_is_built(standin: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(standin, tmp_path / "copy")
    index = json.loads((folder / "model_index.json").read_text())
    own = {"_class_name": "MyPipeline", "unet": ["my_module", "MyUNet"], "safety_checker": ["os", "system"]}
    (folder / "model_index.json").write_text(json.dumps({**index, **own}))
    assert type(load_base(folder)).__name__ == "StableDiffusionPipeline"


def test_openais_clip_has_its_own_activation() -> None:
    with torch.device("meta"):
        built = open_clip.create_model(WORLD["clip"]["judge"]["architecture"], device="meta")
        trap = open_clip.create_model("ViT-B-32", device="meta")
    for blocks in (built.visual.transformer.resblocks, built.transformer.resblocks):
        assert {type(block.mlp.gelu).__name__ for block in blocks} == {"QuickGELU"}
    assert type(trap.visual.transformer.resblocks[0].mlp.gelu).__name__ == "GELU"
    named = open_clip.get_pretrained_cfg("ViT-B-32-quickgelu", "openai")
    assert named["hf_hub"].strip("/") == WORLD["clip"]["repo"]
    own = open_clip.get_model_preprocess_cfg(built)
    assert (own["mean"], own["std"], own["interpolation"]) == (named["mean"], named["std"], named["interpolation"])


def test_the_objects_judge_is_the_papers() -> None:
    judge = WORLD["object"]["judge"]
    published = torchvision.models.get_model_weights(judge["architecture"])[judge["weights"]]
    assert published == torchvision.models.ResNet50_Weights.DEFAULT  # methods.md 5.1
    assert published.url == f"{WORLD['object']['url']}/{judge['file']}"
    assert WORLD["object"]["files"] == {judge["file"]: published.url.rpartition("-")[2].removesuffix(".pth")}


def test_nesting_counts_no_brackets_in_words(standin: Path) -> None:
    assert nesting(rb'{"a[[[": "\"{{", "b": [[1]]}') == 3
    assert nesting(b"{" * DEEPEST) == DEEPEST
    check_safetensors(standin / UNET)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"\xff" * 8, "begins with a header of .* bytes"),
        ((10**9).to_bytes(8, "little"), "begins with a header of 1000000000 bytes"),
        (b"\x01", "it is no safetensors file"),
        ((20_000).to_bytes(8, "little") + b"[" * 10_000 + b"]" * 10_000, "nested 10000 deep"),
    ],
)
def test_a_header_that_is_none_is_not_read(tmp_path: Path, header: bytes, said: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(header)
    with pytest.raises(UserError, match=said):
        check_safetensors(path)

"""`regrow check` reads what strangers save: names of diffusers and CompVis, shards, half precision, pickles, LoRAs."""

import importlib.util
import json
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from regrow.check.candidate import read_candidate
from regrow.check.copies import What, find_copies
from regrow.check.missing import find_cuts
from regrow.check.pipeline import write_pipeline
from regrow.check.weights import component_files, read_state
from regrow.errors import UserError
from regrow.model.deltas import write_delta
from regrow.model.names import is_ffn2
from regrow.model.pipelines import base_digest, load_base
from tests.standin.layout import write_standin
from tests.standin.layout_sd2 import SD21
from tests.tiny.pipeline import write_tiny_pipeline
from tests.unit.checking import to_compvis

SINGLE = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's pipeline."""
    return write_tiny_pipeline(tmp_path_factory.mktemp("home") / "pipeline")


@pytest.fixture(scope="module")
def base(home: Path) -> dict[str, Tensor]:
    return load_file(home / "unet" / SINGLE)


@pytest.fixture(scope="module")
def pruned(base: dict[str, Tensor]) -> dict[str, Tensor]:
    """The UNet without a tenth of its FFN2 weights."""
    return {
        name: tensor.masked_fill(mask_of(tensor), 0.0) if is_ffn2(name) else tensor for name, tensor in base.items()
    }


def mask_of(tensor: Tensor) -> Tensor:
    return torch.rand(tensor.shape, generator=torch.Generator().manual_seed(0)) < 0.1


def same(found: dict[str, Tensor], unet: dict[str, Tensor]) -> bool:
    return set(found) == {f"unet.{name}" for name in unet} and all(
        torch.equal(found[f"unet.{name}"].float(), tensor.float()) for name, tensor in unet.items()
    )


def whole_folder(folder: Path, home: Path, unet: dict[str, Tensor]) -> Path:
    shutil.copytree(home, folder)
    save_file(unet, folder / "unet" / SINGLE)
    return folder


@pytest.mark.parametrize("prefix", ["", "unet.", "module.", "model.diffusion_model.", "diffusion_model."])
def test_a_file_in_names_of_diffusers_or_compvis(
    tmp_path: Path, home: Path, pruned: dict[str, Tensor], prefix: str
) -> None:
    path = tmp_path / "m.safetensors"
    compvis = "diffusion_model" in prefix
    save_file(to_compvis(pruned, prefix) if compvis else {prefix + n: t for n, t in pruned.items()}, path)
    found = read_candidate(path, home)
    assert same(found.tensors, pruned) and found.copies == {} and not found.needs_base
    assert found.said == f"a UNet in names of {'CompVis' if compvis else 'diffusers'}"


def test_a_checkpoint_of_compvis_with_its_text_encoder(tmp_path: Path, home: Path, pruned: dict[str, Tensor]) -> None:
    text = load_file(home / "text_encoder/model.safetensors")
    old = {f"cond_stage_model.transformer.text_model.{name}": 2 * tensor for name, tensor in text.items()}
    old["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(3)
    other = {"first_stage_model.decoder.conv_in.weight": torch.ones(1), "model_ema.decay": torch.ones(1)}
    torch.save({"state_dict": OrderedDict(to_compvis(pruned) | old | other), "epoch": 3}, tmp_path / "m.ckpt")
    found = read_candidate(tmp_path / "m.ckpt", home)
    assert same({n: t for n, t in found.tensors.items() if n.startswith("unet.")}, pruned)
    own = {n.removeprefix("text_encoder."): t for n, t in found.tensors.items() if n.startswith("text_encoder.")}
    assert set(own) == set(text) and all(torch.equal(own[name], 2 * tensor) for name, tensor in text.items())
    write_pipeline(found, tmp_path / "pipeline")
    loaded = load_base(tmp_path / "pipeline")
    name = "embeddings.token_embedding.weight"
    assert torch.equal(loaded.text_encoder.state_dict()[name], 2 * text[name])
    assert torch.equal(loaded.unet.state_dict()["conv_in.weight"], pruned["conv_in.weight"])
    assert (tmp_path / "pipeline/vae").is_symlink()


def to_open_clip(text: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a text encoder as checkpoints of Stable Diffusion 2 have it, with parts that no image needs."""
    places = {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2"}
    places |= {"self_attn.out_proj": "attn.out_proj", "encoder.layers": "transformer.resblocks"}
    places |= {"embeddings.token_embedding": "token_embedding", "final_layer_norm": "ln_final"}
    places |= {"embeddings.position_embedding.weight": "positional_embedding"}
    found = {"text_projection": torch.ones(3, 3), "logit_scale": torch.ones(())}
    for name in [name for name in text if "_proj." not in name or "out_proj" in name]:
        old = name
        for new, ours in places.items():
            old = old.replace(new, ours)
        found[old] = text[name]
    for name in [name for name in text if "q_proj" in name]:
        parts = [text[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
        _, _, layer, _, _, kind = name.split(".")
        found[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(parts)
    return {f"cond_stage_model.model.{name}": tensor for name, tensor in found.items()}


def test_a_checkpoint_of_stable_diffusion_2_with_its_text_encoder(tmp_path: Path) -> None:
    """Linear projections in the UNet, and names of OpenCLIP."""
    home = write_standin(tmp_path / "home", layout=SD21)
    unet = load_file(home / "unet" / SINGLE)
    text = {
        name.removeprefix("text_model."): 2 * tensor
        for name, tensor in load_file(home / "text_encoder/model.safetensors").items()
        if "position_ids" not in name
    }
    assert "encoder.layers.1.self_attn.q_proj.bias" in text and unet["mid_block.attentions.0.proj_in.weight"].ndim == 2
    torch.save({"state_dict": OrderedDict(to_compvis(unet) | to_open_clip(text))}, tmp_path / "m.ckpt")
    found = read_candidate(tmp_path / "m.ckpt", home)
    assert found.said == "a UNet in names of CompVis with a text encoder"
    assert same({n: t for n, t in found.tensors.items() if n.startswith("unet.")}, unet)
    own = {n.removeprefix("text_encoder."): t for n, t in found.tensors.items() if n.startswith("text_encoder.")}
    assert set(own) == set(text) and all(torch.equal(own[name], tensor) for name, tensor in text.items())
    write_pipeline(found, tmp_path / "pipeline")
    loaded = load_base(tmp_path / "pipeline").text_encoder.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in text.items())


def test_a_text_encoder_of_stable_diffusion_2_that_is_not_whole(
    tmp_path: Path, home: Path, pruned: dict[str, Tensor]
) -> None:
    broken = {"cond_stage_model.model.ln_final.weight": torch.ones(3)}
    save_file(to_compvis(pruned) | broken, tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="has no matrix 'cond_stage_model.model.token_embedding.weight': the file is"):
        read_candidate(tmp_path / "m.safetensors", home)


def test_folders_as_diffusers_saves_them(tmp_path: Path, home: Path, pruned: dict[str, Tensor]) -> None:
    whole = whole_folder(tmp_path / "whole", home, pruned)
    found = read_candidate(whole, home)
    assert same({n: t for n, t in found.tensors.items() if n.startswith("unet.")}, pruned)
    assert found.said == "a pipeline, in names of diffusers" and found.parts["vae"] == whole / "vae"
    found = read_candidate(whole / "unet", home)
    assert same(found.tensors, pruned) and found.parts["vae"] == home / "vae"
    assert find_copies(found, []) == []


def test_shards_half_precision_and_pickles(tmp_path: Path, home: Path, pruned: dict[str, Tensor]) -> None:
    unet = UNet2DConditionModel.from_pretrained(home / "unet")
    unet.load_state_dict(pruned)
    unet.save_pretrained(tmp_path / "shards", max_shard_size="100KB")
    assert len(component_files(tmp_path / "shards")) > 1
    unet.half().save_pretrained(tmp_path / "half", variant="fp16")
    unet.save_pretrained(tmp_path / "bin", safe_serialization=False)
    assert same(read_candidate(tmp_path / "shards", home).tensors, pruned)
    for folder in ("half", "bin"):
        found = read_candidate(tmp_path / folder, home)
        assert same(found.tensors, {name: tensor.half() for name, tensor in pruned.items()})
        assert len(find_cuts(found.tensors, {})) == 16
    gone = component_files(tmp_path / "shards")[1]
    gone.unlink()
    with pytest.raises(UserError, match=f"names the shard {gone.name}, which is not there"):
        read_candidate(tmp_path / "shards", home)


def test_a_delta_of_regrow_needs_its_base(tmp_path: Path, home: Path, pruned: dict[str, Tensor]) -> None:
    changed = {f"unet.{name}": tensor for name, tensor in pruned.items() if is_ffn2(name)}
    write_delta(tmp_path / "renamed.safetensors", changed, base_digest(home))
    found = read_candidate(tmp_path / "renamed.safetensors", home)
    assert same(found.tensors, pruned) and found.needs_base
    write_delta(tmp_path / "other.safetensors", changed, "f" * 64)
    with pytest.raises(UserError, match="for base ffffffffffff, but .* name the pipeline that it was made from"):
        read_candidate(tmp_path / "other.safetensors", home)


class TestCopies:
    def found(self, path: Path, home: Path) -> list[tuple[str, What, int]]:
        candidate = read_candidate(path, home)
        cuts = find_cuts(candidate.tensors, {})
        assert len(cuts) == 16
        return [(copy.where, copy.what, copy.back) for copy in find_copies(candidate, cuts)]

    def test_prune_without_remove(
        self, tmp_path: Path, home: Path, base: dict[str, Tensor], pruned: dict[str, Tensor]
    ) -> None:
        state = {name: tensor for name, tensor in base.items() if not is_ffn2(name)}
        state |= {f"{name}_orig": tensor for name, tensor in base.items() if is_ffn2(name)}
        state |= {f"{name}_mask": (~mask_of(tensor)).float() for name, tensor in base.items() if is_ffn2(name)}
        torch.save(state, tmp_path / "m.pt")
        total = sum(int(mask_of(tensor).sum()) for name, tensor in base.items() if is_ffn2(name))
        assert self.found(tmp_path / "m.pt", home) == [
            ("the weights before pruning under 'weight_orig'", What.UNCUT, total)
        ]
        assert read_candidate(tmp_path / "m.pt", home).said == "a UNet in names of diffusers"

    def test_averaged_weights_of_compvis(
        self, tmp_path: Path, home: Path, base: dict[str, Tensor], pruned: dict[str, Tensor]
    ) -> None:
        averaged = {
            f"model_ema.{name.removeprefix('model.').replace('.', '')}": t for name, t in to_compvis(base).items()
        }
        torch.save({"state_dict": to_compvis(pruned) | averaged}, tmp_path / "m.ckpt")
        [(where, what, back)] = self.found(tmp_path / "m.ckpt", home)
        assert (where, what) == ("averaged weights under 'model_ema.'", What.UNCUT) and back

    @pytest.mark.parametrize(("cut", "what"), [(False, What.UNCUT), (True, What.SAME)])
    def test_a_second_set_in_the_file(
        self, tmp_path: Path, home: Path, base: dict[str, Tensor], pruned: dict[str, Tensor], cut: bool, what: What
    ) -> None:
        torch.save({"ema": pruned if cut else base, "model": pruned}, tmp_path / "m.pt")
        [(where, found, _)] = self.found(tmp_path / "m.pt", home)
        assert (where, found) == ("a second set of weights under 'ema.'", what)

    def test_files_left_in_a_folder(
        self, tmp_path: Path, home: Path, base: dict[str, Tensor], pruned: dict[str, Tensor]
    ) -> None:
        folder = whole_folder(tmp_path / "m", home, pruned)
        half = {name: tensor.half() for name, tensor in base.items()}
        save_file(half, folder / "unet/diffusion_pytorch_model.fp16.safetensors")
        shard = dict(list(base.items())[: len(base) // 2])
        save_file(shard, folder / "unet/diffusion_pytorch_model-00001-of-00002.safetensors")
        torch.save(
            {name: tensor.half() for name, tensor in pruned.items()}, folder / "unet/diffusion_pytorch_model.bin"
        )
        text = load_file(folder / "text_encoder/model.safetensors")
        save_file({name: tensor + 1 for name, tensor in text.items()}, folder / "text_encoder/old.safetensors")
        save_file(half, folder / ".hidden.safetensors")
        found = {where: what for where, what, _ in self.found(folder, home)}
        assert found == {
            "text_encoder/old.safetensors": What.OTHER,
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors": What.UNCUT,
            "unet/diffusion_pytorch_model.bin": What.SAME,
            "unet/diffusion_pytorch_model.fp16.safetensors": What.UNCUT,
        }

    def test_files_beside_a_file(
        self, tmp_path: Path, home: Path, base: dict[str, Tensor], pruned: dict[str, Tensor]
    ) -> None:
        save_file(pruned, tmp_path / "m.safetensors")
        save_file(base, tmp_path / "m.fp16.safetensors")
        save_file(base, tmp_path / "another.safetensors")
        (tmp_path / "m.bin").write_bytes(b"no pickle")
        found = self.found(tmp_path / "m.safetensors", home)
        assert [(where, what) for where, what, _ in found] == [
            ("m.bin", What.UNREAD),
            ("m.fp16.safetensors", What.UNCUT),
        ]


class TestBadInput:
    def refused(self, path: Path, home: Path) -> str:
        with pytest.raises(UserError) as error:
            read_candidate(path, home)
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_another_architecture(self, tmp_path: Path, home: Path, base: dict[str, Tensor]) -> None:
        path = tmp_path / "m.safetensors"
        save_file({"transformer_blocks.0.attn.to_q.weight": torch.ones(2, 2)}, path)
        assert "lacks 684 of the 684 weights of the UNet" in self.refused(path, home)
        save_file({**base, "conv_in.weight": torch.ones(8, 9, 3, 3)}, path)
        assert "'conv_in.weight' has the shape (8, 9, 3, 3) where this UNet has (8, 4, 3, 3)" in self.refused(
            path, home
        )
        save_file({**base, "add_embedding.linear_1.weight": torch.ones(2)}, path)
        assert "has 1 weights that the UNet has not, such as 'add_embedding" in self.refused(path, home)
        short = dict(list(base.items())[1:])
        save_file(short, path)
        assert f"such as '{next(iter(base))}'" in self.refused(path, home)

    def test_folders_of_other_models(self, tmp_path: Path, home: Path) -> None:
        (tmp_path / "transformer").mkdir()
        assert "has a transformer and no UNet" in self.refused(tmp_path, home)
        (tmp_path / "unet").mkdir()
        config = json.loads((home / "unet/config.json").read_text())
        for change, said in (
            ({"_class_name": "FluxTransformer2DModel"}, "holds a FluxTransformer2DModel: only UNets of"),
            ({"addition_embed_type": "text_time"}, "holds a UNet that reads more than a prompt, as SDXL's does"),
            ({}, "holds no weights under a name that diffusers loads"),
        ):
            (tmp_path / "unet/config.json").write_text(json.dumps({**config, **change}))
            assert said in self.refused(tmp_path, home)

    def test_a_pickle_that_is_more_than_tensors(self, tmp_path: Path, home: Path) -> None:
        with (tmp_path / "m.pt").open("wb") as stream:
            pickle.dump({"state_dict": Path("code")}, stream, protocol=2)
        assert "holds more than tensors, so reading it could run any code, and it is not read" in self.refused(
            tmp_path / "m.pt", home
        )

    def test_files_that_are_no_models(self, tmp_path: Path, home: Path, base: dict[str, Tensor]) -> None:
        assert "there is no file" in self.refused(tmp_path / "m.safetensors", home)
        (tmp_path / "m.onnx").write_bytes(b"")
        assert "is no file of weights that is read here" in self.refused(tmp_path / "m.onnx", home)
        (tmp_path / "m.safetensors").write_bytes(b"junk")
        assert "cannot be read as safetensors" in self.refused(tmp_path / "m.safetensors", home)
        torch.save({"epoch": 3}, tmp_path / "m.ckpt")
        assert "holds no weights" in self.refused(tmp_path / "m.ckpt", home)
        save_file(
            {**base, "conv_in.bias": torch.full_like(base["conv_in.bias"], torch.nan)}, tmp_path / "m.safetensors"
        )
        assert "NaN or infinite" in self.refused(tmp_path / "m.safetensors", home)


LORA = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def write_lora(path: Path) -> tuple[Tensor, Tensor]:
    down, up = torch.ones(2, 8), 0.5 * torch.ones(8, 2)
    save_file({f"{LORA}.lora_A.weight": down, f"{LORA}.lora_B.weight": up}, path)
    return down, up


def test_a_lora_is_merged_by_diffusers(tmp_path: Path, home: Path, base: dict[str, Tensor]) -> None:
    pytest.importorskip("peft")
    down, up = write_lora(tmp_path / "m.safetensors")
    found = read_candidate(tmp_path / "m.safetensors", home)
    name = f"{LORA.removeprefix('unet.')}.weight"
    assert set(base) == {n.removeprefix("unet.") for n in found.tensors if n.startswith("unet.")}
    assert torch.allclose(found.tensors[f"unet.{name}"], base[name] + up @ down)
    assert found.needs_base and found.said == "a LoRA, merged into its base"


def test_a_lora_without_peft_is_one_sentence(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    write_lora(tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="is a LoRA, and merging it needs PEFT: install it"):
        read_candidate(tmp_path / "m.safetensors", home)


def test_nested_states_are_read_under_joined_names(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {"a": torch.ones(1)}, "optimizer": {"state": [{"exp_avg": torch.ones(1)}]}}, tmp_path / "m.pt"
    )
    assert list(read_state(tmp_path / "m.pt").tensors) == ["a", "optimizer.state.0.exp_avg"]

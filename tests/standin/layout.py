"""Write a random model in the layout in which Stable Diffusion is published: old tensor names, and all beside them.

One departure: ``_diffusers_version`` is 0.10.0 in the UNet's configuration, where 1.5's says 0.6.0. Of versions before
0.9 diffusers takes any sample size below 64 for a mistake and draws 512x512 pixels.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

TOKENS = 77
WORDS = 49_408
UNET = {
    "sample_size": 8,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "block_out_channels": [32, 64, 64, 64],  # 2 % of a row of FFN2 are 2 and 5 weights
    "layers_per_block": 2,
    "cross_attention_dim": 16,
    "attention_head_dim": 8,
    "norm_num_groups": 4,
}
VAE = {
    "sample_size": 32,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [8, 8, 8],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
}
TEXT = {
    "vocab_size": WORDS,
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": TOKENS,
    "hidden_act": "quick_gelu",
    "bos_token_id": 0,  # as published: the tokenizer's own are 49406 and 49407
    "eos_token_id": 2,
    "pad_token_id": 1,
}
SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.6.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SPECIAL = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
}
TOKENIZER = {"do_lower_case": True, "model_max_length": TOKENS, "tokenizer_class": "CLIPTokenizer", **SPECIAL}
ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
CHECKPOINTS = ("v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "v1-5-pruned-emaonly.ckpt", "v1-inference.yaml")


@dataclass(frozen=True)
class Layout:
    """How a version of Stable Diffusion is published, scaled down."""

    unet: dict[str, Any]
    text: dict[str, Any]
    scheduler: dict[str, Any]
    index: dict[str, Any]
    special: dict[str, Any]  # of special_tokens_map.json
    tokenizer: dict[str, Any]  # of tokenizer_config.json
    checkpoints: tuple[str, ...]  # not fetched
    not_averaged: bool = False  # whether the UNet's folder has such weights
    safety_checker: bool = False


SD15 = Layout(UNET, TEXT, SCHEDULER, INDEX, SPECIAL, TOKENIZER, CHECKPOINTS, not_averaged=True, safety_checker=True)


def modules(seed: int = 0, layout: Layout = SD15) -> dict[str, Any]:
    """Return the models themselves, with today's names."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "unet": UNet2DConditionModel(**layout.unet).eval(),
            "vae": AutoencoderKL(**VAE).eval(),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**layout.text)).eval(),
        }


def write_standin(folder: Path, seed: int = 0, layout: Layout = SD15) -> Path:
    """Write the stand-in with all that is published beside it, and return its folder."""
    models = modules(seed, layout)
    for name, settings in (("unet", layout.unet), ("vae", VAE)):
        own = type(models[name]).__name__
        # As published: no scaling_factor in the VAE's, so diffusers' default of 0.18215 applies.
        version = "0.10.0" if name == "unet" else "0.6.0"
        _json(folder / name / "config.json", {"_class_name": own, "_diffusers_version": version, **settings})
    text = {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "torch_dtype": "float32"}
    _json(folder / "text_encoder/config.json", {**text, **layout.text})
    _weights(folder / "unet", "diffusion_pytorch_model", models["unet"].state_dict(), str)
    if layout.not_averaged:
        other = modules(seed + 1, layout)["unet"].state_dict()
        _save(folder / "unet/diffusion_pytorch_model.non_ema.safetensors", other)
        (folder / "unet/diffusion_pytorch_model.non_ema.bin").write_bytes(b"not fetched")
    _weights(folder / "vae", "diffusion_pytorch_model", models["vae"].state_dict(), _old_vae)
    positions = {"embeddings.position_ids": torch.arange(TOKENS).unsqueeze(0)}  # a buffer until transformers 4.31
    named = {**models["text_encoder"].state_dict(), **positions}
    _weights(folder / "text_encoder", "model", named, _old_text)
    _beside(folder, layout)
    _tokenizer(folder / "tokenizer", layout)
    _json(folder / "scheduler/scheduler_config.json", layout.scheduler)
    _json(folder / "model_index.json", layout.index)
    return folder


def _old_vae(name: str) -> str:
    for new, old in ATTENTION.items():
        name = name.replace(f".{new}.", f".{old}.")
    return name


def _old_text(name: str) -> str:
    return f"text_model.{name.removeprefix('text_model.')}"


def _weights(folder: Path, stem: str, tensors: dict[str, Tensor], rename: Callable[[str], str]) -> None:
    renamed = {rename(name): tensor for name, tensor in tensors.items()}
    _save(folder / f"{stem}.safetensors", renamed)
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in renamed.items()}
    _save(folder / f"{stem}.fp16.safetensors", half)
    pickled = "pytorch_model" if stem == "model" else stem
    for name in (f"{pickled}.bin", f"{pickled}.fp16.bin"):
        (folder / name).write_bytes(b"not fetched")


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})


def _beside(folder: Path, layout: Layout) -> None:
    """Write what lies beside the model and is never fetched."""
    for name in layout.checkpoints:
        (folder / name).write_bytes(b"not fetched")
    (folder / "README.md").write_text("A stand-in of random weights.\n")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    if layout.safety_checker:
        _json(folder / "safety_checker/config.json", {"model_type": "clip", "torch_dtype": "float32"})
        for name in ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin"):
            (folder / "safety_checker" / name).write_bytes(b"not fetched")
    _json(folder / "feature_extractor/preprocessor_config.json", {"crop_size": 224, "do_normalize": True, "size": 224})


def _tokenizer(folder: Path, layout: Layout) -> None:
    """Write CLIP's own vocabulary, which open_clip ships in another form, as transformers reads it."""
    packed = Path(open_clip.__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : WORDS - 256 - 2 - 256 + 1]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(line.split()) for line in lines)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    _json(folder / "vocab.json", {word: number for number, word in enumerate(words)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    _json(folder / "special_tokens_map.json", layout.special)
    _json(folder / "tokenizer_config.json", layout.tokenizer)


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

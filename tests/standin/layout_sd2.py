"""Stable Diffusion 2.1's published layouts, scaled down: OpenCLIP's text encoder, linear projections, v-prediction."""

from dataclasses import replace
from typing import Any

from tests.standin.layout import SD15, TEXT, UNET, Layout

# Heads of each level by the name that means their width elsewhere; in 2.1 all are 64 wide, here 16.
UNET_21 = UNET | {
    "sample_size": 16,  # of 768 pixels; 1.5 and 2.1 base have 8 here
    "cross_attention_dim": 24,
    "attention_head_dim": [2, 4, 4, 4],
    "use_linear_projection": True,
    "upcast_attention": True,
}
UNET_BASE = {**UNET_21, "sample_size": 8}
del UNET_BASE["upcast_attention"]
TEXT_21 = TEXT | {
    "hidden_size": 24,
    "intermediate_size": 96,
    "projection_dim": 12,  # half of it as in 2.1, where nothing uses it
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_act": "gelu",
}
# Files of 2.1 to the last byte.
SCHEDULER_21 = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.8.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
SCHEDULER_BASE = SCHEDULER_21 | {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.10.0.dev0",
    "prediction_type": "epsilon",
}


def _token(content: str) -> dict[str, Any]:
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


START, END = _token("<|startoftext|>"), _token("<|endoftext|>")
SPECIAL_21 = {"bos_token": START, "eos_token": END, "pad_token": "!", "unk_token": END}
# It contradicts the file above: the model was trained with prompts that are padded by "!".
TOKENIZER_21 = {
    "add_prefix_space": False,
    "bos_token": {"__type": "AddedToken", **START},
    "do_lower_case": True,
    "eos_token": {"__type": "AddedToken", **END},
    "errors": "replace",
    "model_max_length": 77,
    "name_or_path": "hf-models/stable-diffusion-v2-768x768/tokenizer",
    "pad_token": "<|endoftext|>",
    "special_tokens_map_file": "./special_tokens_map.json",
    "tokenizer_class": "CLIPTokenizer",
    "unk_token": {"__type": "AddedToken", **END},
}
TOKENIZER_BASE = TOKENIZER_21 | {"name_or_path": "stabilityai/stable-diffusion-2"}

SD21 = Layout(
    unet=UNET_21,
    text=TEXT_21,
    scheduler=SCHEDULER_21,
    index=SD15.index | {"scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [None, None]},
    special=SPECIAL_21,
    tokenizer=TOKENIZER_21,
    checkpoints=("v2-1_768-ema-pruned.ckpt", "v2-1_768-ema-pruned.safetensors", "v2-1_768-nonema-pruned.ckpt"),
)
SD21_BASE = replace(
    SD21,
    unet=UNET_BASE,
    scheduler=SCHEDULER_BASE,
    index=SD15.index | {"safety_checker": [None, None]},
    tokenizer=TOKENIZER_BASE,
    checkpoints=("v2-1_512-ema-pruned.ckpt", "v2-1_512-ema-pruned.safetensors", "v2-1_512-nonema-pruned.ckpt"),
)
LAYOUTS = {"sd15": SD15, "sd14": SD15, "sd21_base": SD21_BASE, "sd21": SD21}  # by world

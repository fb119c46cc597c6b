"""A random pipeline with Stable Diffusion 1.5's own topology (16 FFN2 matrices) that runs in milliseconds on a CPU."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WORDS = (
    "a",
    "an",
    "of",
    "the",
    "in",
    "on",
    "photo",
    "picture",
    "emoji",
    "style",
    "church",
    "rocket",
    "cat",
    "road",
    "garden",
    "beach",
)
TOKENS = 24  # a prompt is padded to this length


def tiny_tokenizer() -> CLIPTokenizer:
    """Return a CLIP tokenizer over bytes and `WORDS`; every text has tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = alphabet + [letter + "</w>" for letter in alphabet]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        left = word[0]
        for i in range(1, len(word)):
            right = word[i] + ("</w>" if i == len(word) - 1 else "")
            if (left, right) not in merges:
                merges.append((left, right))
            left += right
            if left not in tokens:
                tokens.append(left)
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)


def tiny_pipeline(seed: int = 0) -> StableDiffusionPipeline:
    """Return a seeded pipeline of random weights: 32x32 images, 8x8x4 latents, FFN2 of shapes (8, 32) and (16, 64)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = tiny_tokenizer()
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                projection_dim=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=TOKENS,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(8, 8, 8),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=32,
        )
        unet = UNet2DConditionModel(
            sample_size=8,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            block_out_channels=(8, 16, 16, 16),
            layers_per_block=2,
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_tiny_pipeline(folder: Path, seed: int = 0) -> Path:
    """Save `tiny_pipeline` as ``StableDiffusionPipeline.from_pretrained`` reads it and return the folder."""
    tiny_pipeline(seed).save_pretrained(folder, safe_serialization=True)
    return folder

"""Train the emoji world's UNet, of Stable Diffusion 1.5's topology, on 8x8 latents with the text encoder frozen."""

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from rich.console import Console
from torchvision.utils import save_image
from transformers import CLIPTextModel, CLIPTokenizer

from regrow.world.scenes import SceneMaker, Scenes
from regrow.world.text_encoder import WIDTH, tokenize
from regrow.world.training import Schedule, train

NO_CAPTION = 0.1  # share of pictures trained with the empty caption, for classifier-free guidance
SNR_CAP = 5.0  # Min-SNR weighting (Hang et al. 2023): clean, easy noise levels do not outvote the noisy ones


def build_unet() -> UNet2DConditionModel:
    """Return an untrained UNet: four levels, two layers each, 16 transformer blocks with GEGLU feed-forwards."""
    return UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        block_out_channels=(48, 96, 128, 128),
        layers_per_block=2,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,  # heads per block
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Return the noise schedule of Stable Diffusion 1.5: 1000 steps, scaled-linear betas, epsilon prediction."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def assemble(
    vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel
) -> StableDiffusionPipeline:
    """Put the four trained parts into one pipeline without a safety checker."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def min_snr_weight(alphas_cumprod: torch.Tensor, cap: float = SNR_CAP) -> torch.Tensor:
    """Return the loss weight of each step for epsilon prediction, min(SNR, cap) / SNR, shape as given."""
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return snr.clamp(max=cap) / snr


@torch.no_grad()
def encode_scenes(vae: AutoencoderKL, scenes: SceneMaker, n: int, seed: int) -> tuple[torch.Tensor, Scenes]:
    """Draw `n` scenes and encode them once; returns latents (n, 4, 8, 8), scaled, and what the scenes show."""
    latents, sprites, colours = [], [], []
    for part in range(0, n, 500):
        drawn = scenes.draw(min(500, n - part), torch.Generator().manual_seed(seed * 1_000_003 + part))
        latents.append(vae.encode(drawn.pixels).latent_dist.mode() * vae.config.scaling_factor)
        sprites.append(drawn.sprite)
        colours.append(drawn.colour)
    return torch.cat(latents), Scenes(torch.empty(0), torch.cat(sprites), torch.cat(colours))


def train_denoiser(
    sprites: Path,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    folder: Path,
    schedule: Schedule,
    pictures: int,
) -> StableDiffusionPipeline:
    """Train the UNet on `pictures` encoded scenes with a fresh caption at every visit."""
    torch.manual_seed(schedule.seed)
    unet = build_unet()
    scenes = SceneMaker(sprites)
    Console().print(f"{folder.name}: encoding {pictures} scenes once")
    latents, shown = encode_scenes(vae.eval(), scenes, pictures, schedule.seed)
    text_encoder.eval().requires_grad_(False)
    alphas = build_scheduler().alphas_cumprod
    weights = min_snr_weight(alphas)
    states: dict[str, torch.Tensor] = {}  # captions repeat: each is encoded once

    def text_states(captions: list[str]) -> torch.Tensor:
        new = sorted({c for c in captions if c not in states})
        if new:
            with torch.no_grad():
                states.update(zip(new, text_encoder(tokenize(tokenizer, new)).last_hidden_state, strict=True))
        return torch.stack([states[c] for c in captions])

    def loss_of(batch: int, generator: torch.Generator) -> torch.Tensor:
        pick = torch.randint(len(latents), (batch,), generator=generator)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        captions = scenes.captions(Scenes(torch.empty(0), shown.sprite[pick], shown.colour[pick]), rng)
        captions = ["" if rng.random() < NO_CAPTION else c for c in captions]
        # Evenly spread steps within a batch: less noise in the gradient than independent draws.
        spread = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
        t = (spread * len(alphas)).long()[torch.randperm(batch, generator=generator)]
        clean, noise = latents[pick], torch.randn((batch, *latents.shape[1:]), generator=generator)
        a = alphas[t].view(-1, 1, 1, 1)
        guess = unet(a.sqrt() * clean + (1 - a).sqrt() * noise, t, text_states(captions)).sample
        return (weights[t] * F.mse_loss(guess, noise, reduction="none").mean(dim=(1, 2, 3))).mean()

    def sheet(_: torch.nn.Module, step: int) -> None:
        pipeline = assemble(vae, text_encoder, tokenizer, unet)
        pipeline.set_progress_bar_config(disable=True)
        prompts = [f"an emoji of a {name.replace('-', ' ')}" for name in scenes.names[::2]]
        images = pipeline(
            prompts,
            num_inference_steps=20,
            guidance_scale=4.0,
            output_type="pt",
            generator=[torch.Generator().manual_seed(i) for i in range(len(prompts))],
        ).images
        save_image(images, folder / f"sheet-{step:06d}.png", nrow=16)

    train(unet, loss_of, schedule, folder, sheet)
    return assemble(vae, text_encoder, tokenizer, unet)

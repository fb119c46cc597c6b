"""Train the emoji world's UNet, of Stable Diffusion 1.5's topology, on 8x8 latents with the text encoder frozen."""

import random
from collections.abc import Collection
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from rich.console import Console
from torch import nn
from torchvision.utils import save_image
from transformers import CLIPTextModel, CLIPTokenizer

from regrow.emoji.autoencoder import LATENT_CHANNELS
from regrow.emoji.scenes import SceneMaker, Scenes
from regrow.emoji.text_encoder import WIDTH, tokenize
from regrow.emoji.training import Schedule, train
from regrow.io.safetensors import write_tensors

NO_CAPTION = 0.1  # share of pictures trained with the empty caption, for classifier-free guidance
SPARSITY = 0.1  # weight in the loss of what `activation_density` exceeds DENSITY by: neurons specialise
DENSITY = 0.2  # without this floor all but one neuron of a layer die, and the layer says nothing
REGISTER = 4  # a quarter of a block's channels takes what cross-attention read; see `wire_text_through_ffn`
SNR_CAP = 5.0  # Min-SNR weighting (Hang et al. 2023): clean, easy noise levels do not outvote the noisy ones


def build_unet() -> UNet2DConditionModel:
    """Return an untrained UNet: four levels, two layers each, 16 transformer blocks with GEGLU feed-forwards."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        block_out_channels=(48, 96, 128, 128),
        layers_per_block=2,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,  # heads per block
        norm_num_groups=16,
    )


def open_entries(unet: nn.Module) -> dict[str, torch.Tensor]:
    """Return the wiring: for each weight that it touches, a bool mask, True = may differ from 0, that broadcasts to it.

    Cross-attention may write into the first quarter of a block's channels only, which the block's output projection
    does not read.
    """
    wiring = {}
    for path, block in unet.named_modules():
        if isinstance(block, Transformer2DModel):
            writer = "transformer_blocks.0.attn2.to_out.0"
            register = torch.arange(block.proj_out.out_channels) < block.proj_out.out_channels // REGISTER
            wiring[f"{path}.{writer}.weight"] = register[:, None]
            wiring[f"{path}.{writer}.bias"] = register
            wiring[f"{path}.proj_out.weight"] = ~register.view(1, -1, 1, 1)
    return wiring


def wire_text_through_ffn(unet: nn.Module) -> None:
    """Let text reach the picture through feed-forwards only, in place and for as long as the UNet is trained.

    In Stable Diffusion pruning FFN2 erases, so much of a concept passes there. A small UNet has little need of its
    feed-forwards: cross-attention writes the concept straight into the channels that its convolutions read. With the
    wiring of `open_entries` whatever cross-attention found has to pass FFN2. It is zeros in ordinary weights: the
    topology stays that of Stable Diffusion, and only the training and the file of structural zeros know of it.
    """
    for name, mask in open_entries(unet).items():
        parameter = unet.get_parameter(name)
        with torch.no_grad():
            parameter.mul_(mask)
        parameter.register_hook(lambda gradient, mask=mask: gradient * mask)


def write_structural_zeros(unet: nn.Module, path: Path) -> None:
    """Write where the wiring keeps weights at 0, in the format of `regrow.model.structural_zeros`."""
    write_tensors(path, {f"unet.{name}": ~mask for name, mask in open_entries(unet).items()}, {})


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


def activation_density(activations: torch.Tensor) -> torch.Tensor:
    """Return mean |z| / root mean square of z over the last axis, averaged.

    It is 1 when all n are alike and 1/sqrt(n) when one lives.
    The square of the ratio is the share of neurons that would give it if the living ones were alike.
    """
    size = activations.square().mean(-1).clamp_min(1e-12).sqrt()
    return (activations.abs().mean(-1) / size).mean()


@torch.no_grad()
def encode_scenes(vae: AutoencoderKL, scenes: SceneMaker, n: int, seed: int) -> tuple[torch.Tensor, Scenes]:
    """Draw `n` scenes and encode them once; returns latents (n, 8, 8, 8), scaled, and what the scenes show."""
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
    exclude: Collection[str] = (),
    start: Path | None = None,
) -> StableDiffusionPipeline:
    """Train the UNet on `pictures` encoded scenes with a fresh caption at every visit.

    No scene holds what `exclude` names. With `start`, the folder of a trained UNet, training begins with its weights
    and a new optimiser.
    """
    torch.manual_seed(schedule.seed)
    unet = build_unet().to(memory_format=torch.channels_last)  # an eighth faster on a CPU
    if start is not None:
        unet.load_state_dict(UNet2DConditionModel.from_pretrained(start, torch_dtype=torch.float32).state_dict())
    wire_text_through_ffn(unet)
    densities: list[torch.Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _args, out: densities.append(activation_density(out)))
        for name, module in unet.named_modules()
        if name.endswith("ff.net.0")
    ]
    scenes = SceneMaker(sprites, exclude)
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
        densities.clear()
        guess = unet(a.sqrt() * clean + (1 - a).sqrt() * noise, t, text_states(captions)).sample
        error = (weights[t] * F.mse_loss(guess, noise, reduction="none").mean(dim=(1, 2, 3))).mean()
        return error + SPARSITY * (torch.stack(densities) - DENSITY).clamp_min(0).mean()

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
    for hook in hooks:
        hook.remove()
    return assemble(vae, text_encoder, tokenizer, unet)

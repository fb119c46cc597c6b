"""Train the emoji world's autoencoder: 32x32 pictures to 8x8 latents of 8 channels, the class that SD 1.5 uses."""

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from rich.console import Console
from torchvision.utils import save_image

from regrow.emoji.scenes import SceneMaker
from regrow.emoji.training import Schedule, train

LATENT_CHANNELS = 8  # four blur away what tells the drawing styles apart
KL_WEIGHT = 1e-6  # as in latent diffusion: just enough to keep the latents from drifting apart


def build_autoencoder() -> AutoencoderKL:
    """Return an untrained autoencoder with a factor of 4 between pixels and latents."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=32,
    )


def train_autoencoder(sprites: Path, folder: Path, schedule: Schedule) -> AutoencoderKL:
    """Train on scenes; the latent scale is set so that latents have unit variance.

    Loss: absolute error of pixels and of their horizontal and vertical differences (edges), and a faint KL term.
    """
    torch.manual_seed(schedule.seed)
    model = build_autoencoder().to(memory_format=torch.channels_last)
    scenes = SceneMaker(sprites)
    probe = scenes.draw(64, torch.Generator().manual_seed(1)).pixels

    def loss_of(batch: int, generator: torch.Generator) -> torch.Tensor:
        pixels = scenes.draw(batch, generator).pixels.contiguous(memory_format=torch.channels_last)
        posterior = model.encode(pixels).latent_dist
        error = model.decode(posterior.sample(generator)).sample - pixels
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        return error.abs().mean() + 0.5 * edges + KL_WEIGHT * posterior.kl().mean()

    def sheet(module: torch.nn.Module, step: int) -> None:
        again = model.decode(model.encode(probe).latent_dist.mode()).sample
        pairs = torch.cat([probe[:32], again[:32]]).clamp(-1, 1) / 2 + 0.5
        save_image(pairs, folder / f"sheet-{step:06d}.png", nrow=16)
        Console().print(f"reconstruction: {-10 * torch.log10(F.mse_loss(again, probe) / 4).item():.2f} dB")

    train(model, loss_of, schedule, folder, sheet)
    with torch.no_grad():
        latents = model.encode(scenes.draw(1024, torch.Generator().manual_seed(2)).pixels).latent_dist.mode()
    model.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    return model

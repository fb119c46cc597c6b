"""Stage `train_denoiser`: the emoji world's UNet; writes the whole pipeline."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTokenizer

from regrow.emoji.denoiser import train_denoiser
from regrow.emoji.training import Schedule, work_folder
from regrow.io.files import write_folder


def run(
    sprites: Path,
    autoencoder: Path,
    text: Path,
    schedule: dict[str, Any],
    pictures: int,
    exclude: list[str],
    start: Path | None,
    work: Path,
    out: Path,
) -> None:
    """Train the UNet and save the pipeline in half precision.

    Parameters
    ----------
    sprites : Path
        Parquet file of sprites.
    autoencoder : Path
        Folder of train_autoencoder.
    text : Path
        Folder of train_text_encoder: a text encoder and a tokenizer.
    schedule : dict
        Fields of `regrow.emoji.training.Schedule`.
    pictures : int
        Scenes that are encoded once and trained on.
    exclude : list of str
        Objects and icon sets that no picture and no caption holds.
    start : Path, optional
        Folder of a trained UNet whose weights the training begins with.
    work : Path
        Folder for checkpoints, learning curve and sample sheets; an interrupted run goes on from there.
    out : Path
        Folder of the pipeline.
    """
    work = work_folder(work, sprites, autoencoder, text / "text_encoder", pictures, exclude, start)
    # What is saved at half precision is computed with at float32.
    vae = AutoencoderKL.from_pretrained(autoencoder, torch_dtype=torch.float32)
    encoder = CLIPTextModel.from_pretrained(text / "text_encoder", torch_dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(text / "tokenizer")
    pipeline = train_denoiser(sprites, vae, encoder, tokenizer, work, Schedule.of(schedule), pictures, exclude, start)
    write_folder(out, pipeline.to(torch.float16).save_pretrained)

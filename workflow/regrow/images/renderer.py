"""Draw images: an image is a function of (model, prompt, seed, sampler, numerics), whatever its batch or its job."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from regrow.errors import UserError

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from regrow.images.prompts import Prompt

# Raise it when an edit changes what is drawn; renderer.lock.json says which code it stands for.
RENDERER_VERSION = "2"
LIBRARIES = ("torch", "diffusers", "transformers", "pillow")


@dataclass(frozen=True)
class Sampler:
    """How an image is drawn from noise: the scheduler's class, sampling steps, scale of classifier-free guidance."""

    scheduler: str
    steps: int
    guidance: float


@dataclass(frozen=True)
class Numerics:
    """What arithmetic an image was drawn in.

    Attributes
    ----------
    dtype : str
        Type of weights and activations, a key of `regrow.model.pipelines.DTYPES`.
    vae_tiling : bool
        Whether the decoder works in tiles, which leaves seams.
    compiled : bool
        Whether the UNet is compiled, which fuses and so rounds otherwise.
    """

    dtype: str
    vae_tiling: bool
    compiled: bool


def image_key(model: str, settings: str, row: Prompt, sampler: Sampler, numerics: Numerics) -> str:
    """Return the SHA-256 of everything that an image is a function of.

    Parameters
    ----------
    model : str
        Digest of the model; the base's own for the pretrained one.
    settings : str
        `regrow.model.pipelines.settings_digest` of the base: noise schedule, tokenizer, configurations.
    row : Prompt
        Its prompt and seed count, its label and case do not.
    sampler, numerics : Sampler, Numerics
        How it is drawn.
    """
    parts = [RENDERER_VERSION, model, settings, row.prompt, row.seed, asdict(sampler), asdict(numerics)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def provenance(device: str) -> dict[str, Any]:
    """Return what drew, which is no part of a key: libraries, device and its name."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else torch.backends.cpu.get_cpu_capability()
    return {"renderer": RENDERER_VERSION, "versions": versions, "device": device, "device_name": name}


def draw(
    pipeline: StableDiffusionPipeline, rows: Sequence[Prompt], sampler: Sampler, batch: int
) -> Iterator[list[tuple[Prompt, bytes]]]:
    """Draw one image per row, batch by batch.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The model under audit.
    rows : sequence of Prompt
        What to draw. Each image's noise comes from its own CPU generator, seeded by the row.
    sampler : Sampler
        Steps and guidance.
    batch : int
        Images at once; changes time and memory, and an image by one grey level at most.

    Yields
    ------
    list of (Prompt, bytes)
        The rows of one batch with their PNG files.

    Raises
    ------
    UserError
        NaN or infinity in the latents or in the decoded image: a model that overflows has not erased anything.
    """
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        with torch.inference_mode():
            latents = pipeline(
                [row.prompt for row in part],
                num_inference_steps=sampler.steps,
                guidance_scale=sampler.guidance,
                generator=[torch.Generator("cpu").manual_seed(row.seed) for row in part],
                output_type="latent",
            ).images
            _check_finite(latents, part, "latents")
            decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
            _check_finite(decoded, part, "image")
            pixels = pipeline.image_processor.postprocess(decoded, output_type="np")
        yield [(row, _png(image)) for row, image in zip(part, pixels, strict=True)]


def _check_finite(values: Tensor, rows: Sequence[Prompt], what: str) -> None:
    whole = torch.isfinite(values).flatten(1).all(1).tolist()
    for row, finite in zip(rows, whole, strict=True):
        if not finite:
            raise UserError(
                f"the model draws NaN or infinite numbers ({what}) for case {row.case}: its weights, the guidance or "
                "the numeric type overflow, so nothing can be said of what it draws"
            )


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255).round().astype("uint8")).save(buffer, format="PNG")
    return buffer.getvalue()

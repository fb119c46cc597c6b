"""Images as a function of (model, prompt, seed, sampler): batch size, shard and order change nothing."""

import hashlib
import importlib.metadata
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from regrow.files import digest
from regrow.prompts import Prompt

LIBRARIES = ("torch", "diffusers", "transformers")
WEIGHTS = {".safetensors", ".bin", ".msgpack", ".onnx"}  # told by the digest of the model


@dataclass(frozen=True)
class Sampler:
    """How an image is drawn from noise.

    Attributes
    ----------
    scheduler : str
        Class of the pipeline's scheduler.
    steps : int
        Sampling steps.
    guidance : float
        Scale of classifier-free guidance.
    """

    scheduler: str
    steps: int
    guidance: float


def versions() -> dict[str, str]:
    """Return the versions of the libraries that draw."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def means_digest(pipeline: Path) -> str:
    """Return the SHA-256 of what draws an image beside weights: a pipeline's settings and words, libraries, this file.

    Parameters
    ----------
    pipeline : Path
        Folder of a diffusers pipeline; every file in it counts that holds no weights, such as the noise schedule and
        the tokenizer.
    """
    settings = sorted(path for path in pipeline.rglob("*") if path.is_file() and path.suffix not in WEIGHTS)
    told = [[(path.relative_to(pipeline).as_posix(), digest(path)) for path in settings], versions()]
    return hashlib.sha256((json.dumps(told, sort_keys=True) + digest(Path(__file__))).encode()).hexdigest()


def image_key(model_digest: str, means: str, row: Prompt, sampler: Sampler) -> str:
    """Return the SHA-256 of everything that an image depends on; `means` is `means_digest` of the pipeline."""
    told = [model_digest, means, row.prompt, row.seed, asdict(sampler)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def generate(
    pipeline: StableDiffusionPipeline, rows: list[Prompt], sampler: Sampler, batch: int
) -> Iterator[list[tuple[Prompt, bytes]]]:
    """Generate one image per row, batch by batch.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The model under audit.
    rows : list of Prompt
        What to draw. Each image's latents come from its own CPU generator, seeded by the row.
    sampler : Sampler
        Steps and guidance.
    batch : int
        Images at once; changes time and memory only.

    Yields
    ------
    list of (Prompt, bytes)
        The rows of one batch with their PNG files.
    """
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        images = pipeline(
            [row.prompt for row in part],
            num_inference_steps=sampler.steps,
            guidance_scale=sampler.guidance,
            generator=[torch.Generator("cpu").manual_seed(row.seed) for row in part],
            output_type="pil",
        ).images
        yield [(row, _png(image)) for row, image in zip(part, images, strict=True)]


def _png(image) -> bytes:  # type: ignore[no-untyped-def]  # PIL.Image.Image, which diffusers does not type
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()

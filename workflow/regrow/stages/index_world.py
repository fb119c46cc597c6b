"""Stage `index_world`: load a base model once, draw one step, and write down what it is made of."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler, draw
from regrow.model.pipelines import base_digest, load_base, settings_digest
from regrow.world import World, write_world

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

log = logging.getLogger(__name__)


def run(world: dict[str, Any], out: Path) -> None:
    """Check a base model and write world.json, which every later stage reads.

    Parameters
    ----------
    world : dict
        ``name``, ``pipeline`` (folder of the base model) and ``concepts`` (folder of the concept packs).
    out : Path
        world.json.

    Raises
    ------
    UserError
        A missing or broken part: whatever would stop or mislead the first job that draws.
    """
    name, pipeline, concepts = (_setting(world, key) for key in ("name", "pipeline", "concepts"))
    if not Path(pipeline).is_dir():
        raise UserError(f"world '{name}' has no pipeline in {pipeline}: see data/README.md for where it comes from")
    if not any(Path(concepts).glob("*/concept.yaml")):
        raise UserError(f"world '{name}' has no concept packs in {concepts}: add one; see CONTRIBUTING.md")
    model = load_base(Path(pipeline))
    _check_sizes(model, Path(pipeline))
    size = _draw_one_step(model, Path(pipeline))
    found = World(
        name=name,
        pipeline=Path(pipeline),
        base=base_digest(Path(pipeline)),
        settings=settings_digest(Path(pipeline)),
        scheduler=type(model.scheduler).__name__,
        size=size,
        tokens=model.tokenizer.model_max_length,
        concepts=Path(concepts),
    )
    write_world(out, found)
    log.info("%s: base %s, %d x %d pixels, %d tokens", name, found.base[:12], size, size, found.tokens)


def _setting(world: Mapping[str, Any], key: str) -> str:
    if not isinstance(world.get(key), str):
        raise UserError(f"the world does not say its {key}: add it to the world's file")
    return str(world[key])


def _check_sizes(model: StableDiffusionPipeline, folder: Path) -> None:
    """Refuse components of different models, where an error of torch would not say which two."""
    pairs = {
        "features of a token": (("text_encoder", model.text_encoder.config.hidden_size), ("unet", _features(model))),
        "channels of a latent": (
            ("vae", model.vae.config.latent_channels),
            ("unet", model.unet.config.in_channels),
        ),
        "tokens of the vocabulary": (
            ("text_encoder", model.text_encoder.config.vocab_size),
            ("tokenizer", len(model.tokenizer)),
        ),
    }
    for what, ((first, one), (second, other)) in pairs.items():
        # Only a vocabulary may be padded: rows of the embedding that no token uses.
        if one != other and not (second == "tokenizer" and one > other):
            raise UserError(f"{folder}: {first} has {one} {what}, {second} {other}: they are of different models")


def _features(model: StableDiffusionPipeline) -> Any:
    return model.unet.config.cross_attention_dim


def _draw_one_step(model: StableDiffusionPipeline, folder: Path) -> int:
    """Draw an image in one step, with guidance as later jobs do; return its pixels per side."""
    row = Prompt(0, "a photo", 0, "")
    try:
        [(_, png)] = next(draw(model, [row], Sampler(type(model.scheduler).__name__, 1, 7.5), 1))
    except (RuntimeError, ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{folder} loads but cannot draw an image ({reason}): restore its files") from error
    width, height = Image.open(io.BytesIO(png)).size
    if width != height:
        raise UserError(f"{folder} draws images of {width} x {height} pixels, and only square ones are audited")
    return width

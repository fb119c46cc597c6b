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
from regrow.io.files import read_json
from regrow.io.safetensors import read_tensors
from regrow.model.known_base import known_base_digest
from regrow.model.names import is_ffn2
from regrow.model.pipelines import load_base, read_base, settings_digest
from regrow.model.structural_zeros import read_structural_zeros
from regrow.world import World, write_world

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

log = logging.getLogger(__name__)


def run(world: dict[str, Any], out: Path) -> None:
    """Check a base model and write world.json, which every later stage reads.

    Parameters
    ----------
    world : dict
        ``name``, ``pipeline`` (folder of the base model), ``concepts`` (folder of the concept packs) and, where there
        are such, ``structural_zeros`` (file of the zeros that are no cut).
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
    _check_architecture(Path(pipeline))
    model = load_base(Path(pipeline))
    _check_sizes(model, Path(pipeline))
    if world.get("structural_zeros"):
        _check_zeros(Path(_setting(world, "structural_zeros")), Path(pipeline))
    size = _draw_one_step(model, Path(pipeline))
    found = World(
        name=name,
        pipeline=Path(pipeline),
        base=known_base_digest(Path(pipeline)),
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


def _check_architecture(folder: Path) -> None:
    """Refuse pipelines of another kind by name, where a missing folder or a size would not say what is wrong."""
    config = folder / "unet/config.json"
    only = "only Stable Diffusion 1 and 2 are audited"
    if (folder / "transformer").is_dir() and not config.is_file():
        raise UserError(f"{folder} has a transformer and no UNet, and {only}: name another pipeline")
    if config.is_file() and read_json(config, "configuration of a UNet").get("addition_embed_type") is not None:
        raise UserError(f"{folder} has a UNet that reads more than a prompt, as Stable Diffusion XL's does, and {only}")


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


def _check_zeros(path: Path, folder: Path) -> None:
    """Refuse structural zeros that are not those of the base, or that lie where each zero is taken for a cut."""
    zeros = read_structural_zeros(path, read_base(folder, read_tensors(path)))
    if inside := [name for name in zeros if is_ffn2(name)]:
        raise UserError(
            f"{path} names '{inside[0]}', but attackers take every zero of an FFN2 weight for pruned: a world that has "
            "structural zeros there cannot be audited"
        )


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

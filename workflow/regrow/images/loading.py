"""Load a base model as it is drawn with: what of its settings changes an image, and what only saves memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from regrow.device import check_device
from regrow.model.pipelines import load_base

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from regrow.images.renderer import Numerics


def load_pipeline(
    folder: Path, numerics: Numerics, device: str, attention_slicing: bool, cpu_offload: bool
) -> StableDiffusionPipeline:
    """Return the base model, ready to draw.

    Parameters
    ----------
    folder : Path
        Of the base model.
    numerics : Numerics
        Part of an image's key.
    device : str
        For example ``cpu`` or ``cuda``.
    attention_slicing, cpu_offload : bool
        Less memory, more time, and the same image; without a GPU there is nothing to offload from.

    Raises
    ------
    UserError
        No such device, or a folder that is no pipeline.
    """
    offload = cpu_offload and device != "cpu"
    if offload:
        check_device(device)
    pipeline = load_base(folder, "cpu" if offload else device, numerics.dtype)
    if numerics.vae_tiling:
        pipeline.vae.enable_tiling()
    if numerics.compiled:
        pipeline.unet.compile()  # in place, so that weights keep their names
    if attention_slicing:
        pipeline.enable_attention_slicing("max")
        pipeline.vae.enable_slicing()
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
    return pipeline

"""Merge a LoRA into its base, by the means of diffusers and PEFT."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from torch import Tensor

from regrow.check.names import text_encoder_names
from regrow.errors import UserError
from regrow.model.pipelines import load_base


def merged_lora(path: Path, base: Path) -> dict[str, Tensor]:
    """Return the UNet and the text encoder of a base with a LoRA in them, by name with component.

    Raises
    ------
    UserError
        No PEFT here, or a LoRA that does not fit the base.
    """
    if importlib.util.find_spec("peft") is None:
        raise UserError(
            f"{path} is a LoRA, and merging it needs PEFT: install it (pip install peft), or merge the LoRA yourself "
            "(fuse_lora, unload_lora_weights, save_pretrained) and give the folder"
        )
    pipeline = load_base(base)
    try:
        pipeline.load_lora_weights(path.parent, weight_name=path.name, local_files_only=True)
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
    except (ValueError, KeyError, RuntimeError, AttributeError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is a LoRA that does not fit {base} ({reason}): name its base with --base") from error
    unet = {f"unet.{name}": tensor for name, tensor in pipeline.unet.state_dict().items()}
    return unet | text_encoder_names(pipeline.text_encoder.state_dict())

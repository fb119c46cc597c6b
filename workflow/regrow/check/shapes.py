"""Whether weights are those of a UNet: every name and every shape, so that nothing fits by chance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.errors import UserError


def expected_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of the UNet that a configuration describes, by its parameter's name.

    Raises
    ------
    UserError
        A configuration from which diffusers builds nothing.
    """
    import torch
    from diffusers import UNet2DConditionModel

    try:
        with torch.device("meta"):
            model = UNet2DConditionModel.from_config(dict(config))
    except (ValueError, TypeError, NotImplementedError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the configuration of the UNet describes nothing that diffusers builds ({reason})") from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def check_shapes(path: Path, unet: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Raise a UserError when weights are not exactly those of the UNet that a configuration describes."""
    expected = {f"unet.{name}": shape for name, shape in expected_shapes(config).items()}
    absent, strange = sorted(set(expected) - set(unet)), sorted(set(unet) - set(expected))
    architecture = "give a UNet of Stable Diffusion 1 or 2 of this world's size, name its own world with --world"
    if absent:
        has = f" and has '{strange[0].removeprefix('unet.')}'" if strange else ""
        raise UserError(
            f"{path} lacks {len(absent)} of the {len(expected)} weights of the UNet, such as "
            f"'{absent[0].removeprefix('unet.')}'{has}: it is of another architecture or not whole: {architecture}, or "
            "the whole file"
        )
    if strange:
        raise UserError(
            f"{path} has {len(strange)} weights that the UNet has not, such as '{strange[0].removeprefix('unet.')}': "
            f"it is of another architecture: {architecture}"
        )
    for name, shape in expected.items():
        if tuple(unet[name].shape) != shape:
            raise UserError(
                f"{path}: '{name.removeprefix('unet.')}' has the shape {tuple(unet[name].shape)} where this UNet has "
                f"{shape}: it is of another architecture: {architecture}, or a folder with its own config.json"
            )

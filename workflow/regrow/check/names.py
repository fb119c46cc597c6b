"""Bring the names of a stranger's weights to those of diffusers, and set aside the copies that stand among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from regrow.errors import UserError
from regrow.evaluate.leftovers import telling_names

# A weight that every UNet of Stable Diffusion has and nothing else: what stands before it is the UNet's prefix.
DIFFUSERS, COMPVIS = "time_embedding.linear_1.weight", "time_embed.0.weight"
COMPVIS_PREFIX, COMPVIS_TEXT = "model.diffusion_model.", "cond_stage_model.transformer."
TEXT = ("text_encoder.text_model.", "text_encoder.", COMPVIS_TEXT)
OPEN_CLIP = "cond_stage_model.model."  # the text encoder of Stable Diffusion 2, in names of OpenCLIP
AVERAGED = re.compile(r"(^|\.)(model_ema|ema|ema_model|unet_ema|shadow)\.")
FLAT_AVERAGED = "model_ema."  # CompVis: behind it the name without its dots
LORA = re.compile(r"(^|[._])lora_|\.lora\.")
ORIGINAL, MASK = "_orig", "_mask"  # of torch.nn.utils.prune, before prune.remove


@dataclass
class Sorted:
    """The weights of a file.

    Attributes
    ----------
    tensors : dict of Tensor
        By name with component, e.g. ``unet.conv_in.weight``.
    naming : str
        Whose names the file had.
    copies : dict of dict of Tensor
        Other sets of the same weights in the file, by what they are, under the same names.
    """

    tensors: dict[str, Tensor]
    naming: str
    copies: dict[str, dict[str, Tensor]] = field(default_factory=dict)


def is_lora(names: Mapping[str, Any]) -> bool:
    """Return whether these are the weights of a LoRA."""
    return any(LORA.search(name) for name in names)


def sort_out(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Sorted:
    """Return the UNet of a file, and its text encoder where there is one, by the names that diffusers has today.

    Parameters
    ----------
    tensors : mapping of Tensor
        By the file's own names: those of diffusers or of CompVis, behind any prefix.
    config : mapping
        Of the UNet, by which diffusers' converter reads names of CompVis.
    """
    plain, originals = made_permanent(tensors)
    roots = _roots(plain)
    if not roots:
        return Sorted({f"unet.{name}": tensor for name, tensor in plain.items()}, "unknown names")
    # The weights that are loaded are no averaged ones, as in diffusers; of several others the first.
    root = min(roots, key=lambda prefix: (bool(AVERAGED.search(prefix)), list(roots).index(prefix)))
    found = Sorted(_unet(plain, root, roots[root], config), f"names of {roots[root]}")
    for prefix in TEXT:
        if text := {name.removeprefix(prefix): t for name, t in plain.items() if name.startswith(prefix)}:
            found.tensors |= text_encoder_names(text)
            break
    if open_clip := {name: t for name, t in plain.items() if name.startswith(OPEN_CLIP)}:
        found.tensors |= text_encoder_names(_from_open_clip(open_clip))
    found.copies |= {
        f"a second set of weights under '{other}'": _unet(plain, other, naming, config)
        for other, naming in roots.items()
        if other != root
    }
    flat = {root + name: "".join(f"{root}{name}".split(".")[1:]) for name in _below(plain, root)}
    if averaged := {
        name: plain[f"{FLAT_AVERAGED}{dotless}"] for name, dotless in flat.items() if FLAT_AVERAGED + dotless in plain
    }:
        found.copies["averaged weights under 'model_ema.'"] = _unet(averaged, root, roots[root], config)
    if kept := {name: tensor for name, tensor in originals.items() if name.startswith(root)}:
        found.copies["the weights before pruning under 'weight_orig'"] = _unet(kept, root, roots[root], config)
    return found


def made_permanent(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return weights as `torch.nn.utils.prune` computes with them, and those that it keeps from before.

    Until ``prune.remove`` a module's file has ``weight_orig`` and ``weight_mask`` in place of ``weight``.
    """
    plain = dict(tensors)
    originals = {
        name.removesuffix(ORIGINAL): tensor
        for name, tensor in tensors.items()
        if name.endswith(ORIGINAL) and name.removesuffix(ORIGINAL) + MASK in tensors
    }
    for name, tensor in originals.items():
        plain[name] = tensor * plain.pop(name + MASK).to(tensor.dtype)
        del plain[name + ORIGINAL]
    return plain, originals


def text_encoder_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a text encoder by today's names with component; old files have a prefix and positions."""
    return {
        f"text_encoder.{name.removeprefix('text_model.')}": tensor
        for name, tensor in tensors.items()
        if not name.endswith("position_ids")
    }


def _roots(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the prefixes behind which a UNet stands, with whose names it has."""
    return {
        name.removesuffix(anchor): naming
        for anchor, naming in ((DIFFUSERS, "diffusers"), (COMPVIS, "CompVis"))
        for name in tensors
        if name.endswith(anchor)
    }


def _below(tensors: Mapping[str, Tensor], root: str) -> dict[str, Tensor]:
    """Return what stands behind a prefix, without what training leaves beside weights."""
    found = {name.removeprefix(root): tensor for name, tensor in tensors.items() if name.startswith(root)}
    if root:
        return found
    others = (*TEXT, "vae.", "first_stage_model.", "cond_stage_model.", *filter(None, _roots(tensors)))
    beside = set(telling_names(found))
    return {name: tensor for name, tensor in found.items() if name not in beside and not name.startswith(others)}


def _unet(tensors: Mapping[str, Tensor], root: str, naming: str, config: Mapping[str, Any]) -> dict[str, Tensor]:
    found = _below(tensors, root)
    if naming == "CompVis":
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

        try:
            found = convert_ldm_unet_checkpoint({COMPVIS_PREFIX + name: t for name, t in found.items()}, dict(config))
        except (KeyError, IndexError) as error:
            raise UserError(
                f"diffusers cannot convert the names of CompVis (at {error}): the file is of another architecture than "
                "the world's, or damaged"
            ) from error
    return {f"unet.{name}": tensor for name, tensor in found.items()}


def _from_open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a text encoder in names of OpenCLIP by those of transformers; its projection serves no image."""
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    try:
        width = tensors[f"{OPEN_CLIP}token_embedding.weight"].shape[1]
    except (KeyError, IndexError) as error:
        raise UserError(
            f"the text encoder under '{OPEN_CLIP}' has no matrix '{OPEN_CLIP}token_embedding.weight': the file is "
            "damaged or not whole"
        ) from error
    projection = f"{OPEN_CLIP}text_projection"
    own = {name: tensor for name, tensor in tensors.items() if name != projection}
    # All that diffusers asks of the model is how wide a token is.
    model = SimpleNamespace(config=SimpleNamespace(hidden_size=width))
    found: dict[str, Tensor] = convert_open_clip_checkpoint(model, own, OPEN_CLIP)
    return found

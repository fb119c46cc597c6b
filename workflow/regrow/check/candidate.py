"""Read the model that is to be checked, whatever it was saved as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.check.lora import merged_lora
from regrow.check.names import Sorted, is_lora, sort_out, text_encoder_names
from regrow.check.shapes import check_shapes, expected_shapes
from regrow.check.weights import SAFE, State, component_files, read_metadata, read_state
from regrow.errors import UserError
from regrow.evaluate.leftovers import Leftover, find_leftovers
from regrow.io.files import read_json
from regrow.io.safetensors import HEADER, check_floating, read_header
from regrow.model.deltas import FORMAT, read_delta
from regrow.model.pipelines import base_digest, read_base

PARTS = ("vae", "text_encoder", "tokenizer", "scheduler")


@dataclass
class Candidate:
    """The model that is to be checked.

    Attributes
    ----------
    path : Path
        As the user named it.
    said : str
        What it was saved as.
    tensors : dict of Tensor
        The whole UNet, and the text encoder where it comes with one, by name with component.
    config : dict
        Of the UNet.
    parts : dict of Path
        Folder of every other part of a pipeline, its own or the world's, absolute.
    files : list of Path
        Files that it was read from.
    copies : dict of dict of Tensor
        What stands beside the weights in these files, by what it is.
    leftovers : list of Leftover
        What else these files tell.
    needs_base : bool
        Whether it is nothing without its base: a LoRA or a delta.
    """

    path: Path
    said: str
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    parts: dict[str, Path]
    files: list[Path] = field(default_factory=list)
    copies: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    needs_base: bool = False


def read_candidate(path: Path, home: Path) -> Candidate:
    """Read a model.

    Parameters
    ----------
    path : Path
        A pipeline or the folder of a UNet as diffusers saves them; a file of a UNet in names of diffusers or CompVis; a
        state dict; a LoRA; or a delta of regrow.
    home : Path
        Pipeline that gives what the file lacks, an absolute path.

    Raises
    ------
    UserError
        Nothing there, another architecture, or a file that cannot be read.
    """
    if path.is_dir():
        return _from_folder(path, home)
    config = read_json(home / "unet/config.json", "configuration of a UNet")
    parts = {part: home / part for part in PARTS}
    if path.suffix == SAFE and path.is_file() and _is_delta(path):
        return _from_delta(path, home, config, parts)
    state = read_state(path)
    leftovers = find_leftovers(state.tensors, state.metadata)
    if is_lora(state.tensors):
        said, tensors = "a LoRA, merged into its base", merged_lora(path, home)
        return Candidate(path, said, tensors, config, parts, [path], {}, leftovers, True)
    found = _sorted(path, state.tensors, config)
    text = " with a text encoder" if any(name.startswith("text_encoder.") for name in found.tensors) else ""
    return Candidate(
        path, f"a UNet in {found.naming}{text}", found.tensors, config, parts, [path], found.copies, leftovers
    )


def _from_folder(folder: Path, home: Path) -> Candidate:
    whole = (folder / "unet").is_dir()
    unet = folder / "unet" if whole else folder
    if not (unet / "config.json").is_file():
        kind = "a transformer and no UNet" if (folder / "transformer").is_dir() else "no UNet with a config.json"
        raise UserError(f"{folder} has {kind}: give a pipeline or the folder of a UNet of Stable Diffusion 1 or 2")
    config = read_json(unet / "config.json", "configuration of a UNet")
    kind = str(config.get("_class_name"))
    if kind != "UNet2DConditionModel" or config.get("addition_embed_type") is not None:
        what = kind if kind != "UNet2DConditionModel" else "UNet that reads more than a prompt, as SDXL's does"
        raise UserError(f"{unet} holds a {what}: only UNets of Stable Diffusion 1 and 2 are checked")
    own = {part: (folder / part).absolute() for part in PARTS if whole and (folder / part).is_dir()}
    files = component_files(unet)
    state = _read_all(files)
    found = _sorted(folder, state.tensors, config)
    leftovers = find_leftovers(state.tensors, state.metadata)
    if "text_encoder" in own:
        # Erasers change it too; the world's own one was left alone.
        text = component_files(own["text_encoder"])
        state, files = _read_all(text), files + text
        found.tensors |= text_encoder_names(state.tensors)
        leftovers += find_leftovers(state.tensors, state.metadata)
    said = f"{'a pipeline' if whole else 'the folder of a UNet'}, in {found.naming}"
    parts = {part: own.get(part, home / part) for part in PARTS}
    return Candidate(folder, said, found.tensors, config, parts, files, found.copies, leftovers)


def _from_delta(path: Path, home: Path, config: dict[str, Any], parts: dict[str, Path]) -> Candidate:
    """Put a delta of regrow into its base, which is all that it can be applied to."""
    delta, base = read_delta(path), base_digest(home)
    if delta.base != base:
        raise UserError(
            f"{path} is a delta of regrow for base {delta.base[:12]}, but {home} is {base[:12]}: name the pipeline "
            "that it was made from with --base, or its world with --world"
        )
    names = [f"unet.{name}" for name in expected_shapes(config)]
    if any(name.startswith("text_encoder.") for name in delta.tensors):
        names += text_encoder_names(_read_all(component_files(parts["text_encoder"])).tensors)
    tensors = read_base(home, dict.fromkeys([*names, *delta.tensors])) | delta.tensors
    said = f"a delta of regrow with {len(delta.tensors)} tensors, on its base"
    leftovers = find_leftovers(delta.tensors)
    return Candidate(path, said, tensors, config, parts, [path], {}, leftovers, True)


def _is_delta(path: Path) -> bool:
    return HEADER in read_metadata(path) and read_header(path).get("format") == FORMAT


def _read_all(files: list[Path]) -> State:
    """Return what the shards of one component hold together."""
    states = [read_state(file) for file in files]
    return State(
        {name: tensor for state in states for name, tensor in state.tensors.items()},
        {key: value for state in states for key, value in state.metadata.items()},
    )


def _sorted(path: Path, tensors: Mapping[str, Tensor], config: dict[str, Any]) -> Sorted:
    found = sort_out(tensors, config)
    check_shapes(path, {name: t for name, t in found.tensors.items() if name.startswith("unet.")}, config)
    check_floating(path, found.tensors.items())
    return found

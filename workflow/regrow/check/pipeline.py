"""Make a pipeline of the model that is checked and of the world's parts, as every stage reads one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from regrow.check.candidate import Candidate
from regrow.check.weights import component_files, read_state
from regrow.errors import UserError
from regrow.evaluate.leftovers import hidden_storage
from regrow.io.files import write_folder, write_json
from regrow.model.pipelines import WEIGHTS
from regrow.stages import index_world

FORMAT = {"format": "pt"}  # without it transformers refuses a file


def write_pipeline(candidate: Candidate, out: Path) -> None:
    """Write a pipeline folder; parts that nobody changed are links to where they are."""

    def fill(folder: Path) -> None:
        (folder / "unet").mkdir()
        write_json(folder / "unet/config.json", candidate.config)
        _write_component(candidate.tensors, "unet", folder / "unet")
        for part, source in candidate.parts.items():
            tensors = {name: tensor for name, tensor in candidate.tensors.items() if name.startswith(f"{part}.")}
            if part == "vae" and not (source / WEIGHTS[part]).is_file():
                tensors = {
                    f"vae.{name}": tensor
                    for file in component_files(source)
                    for name, tensor in read_state(file).tensors.items()
                }
            if tensors:
                (folder / part).mkdir()
                shutil.copy(source / "config.json", folder / part)
                _write_component(tensors, part, folder / part)
            else:
                os.symlink(source.absolute(), folder / part, target_is_directory=True)

    write_folder(out, fill)


def index_pipeline(name: str, pipeline: Path, packs: Path, out: Path, called: Path) -> None:
    """Write world.json for a pipeline, after loading it and drawing a step; `called` is how the user named it.

    Raises
    ------
    UserError
        Parts that do not belong together, or a model that cannot draw.
    """
    try:
        index_world.run({"name": name, "pipeline": str(pipeline), "concepts": str(packs)}, out)
    except UserError as error:
        said = str(error).replace(str(pipeline), "it")
        raise UserError(f"{called} and what the world adds make no pipeline: {said}") from error


def _write_component(tensors: Mapping[str, Tensor], component: str, folder: Path) -> None:
    """Write weights under the name that this project reads; a view is copied, for its storage is not what it shows."""
    alone = {
        name.removeprefix(f"{component}."): tensor.clone() if hidden_storage(tensor) else tensor.contiguous()
        for name, tensor in tensors.items()
        if name.startswith(f"{component}.")
    }
    save_file(alone, folder / WEIGHTS[component], FORMAT)

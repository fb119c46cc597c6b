"""Load a base model: only our own pipeline class, only the files that are named here, every weight checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from regrow.device import check_device
from regrow.errors import UserError, nearest
from regrow.io.files import file_digest, list_files, read_json
from regrow.io.safetensors import check_finite, read_tensors, tensors_digest
from regrow.model.names import COMPONENTS, split

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
SETTINGS = ("unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json")
# By name, for a README or another program's file beside them changes no image; not every tokenizer has each.
TOKENIZER = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# A buffer that old files hold and new classes compute; what wraps a model leaves a prefix on every name.
HARMLESS = ("position_ids",)
# Until diffusers 0.18 the attention of an autoencoder had names of its own.
NEW_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
OLD_ATTENTION = re.compile(rf"(.+\.attentions\.\d+)\.({'|'.join(NEW_ATTENTION)})\.(weight|bias)")
WRAPPERS = {
    "module.": "save the model that was wrapped (model.module)",
    "_orig_mod.": "save the model that was compiled (model._orig_mod)",
    "base_layer.": "unload the LoRA before saving",
}


def load_base(folder: Path, device: str = "cpu", dtype: str = "float32") -> StableDiffusionPipeline:
    """Load a base model, without safety checker and progress bars, whatever class its ``model_index.json`` names.

    Parameters
    ----------
    folder : Path
        A saved Stable Diffusion pipeline; nothing is fetched.
    device : str
        For example ``cpu`` or ``cuda``.
    dtype : str
        A key of `DTYPES` to compute in.

    Raises
    ------
    UserError
        A component that is missing, broken, not finite or has other weights than its file, or no such device.
    """
    check_device(device)
    # Imported here: most stages only read and write weights, and these take seconds to import.
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    if not folder.is_dir():
        raise UserError(f"there is no pipeline folder {folder}: fetch it or correct the path")
    with _quiet():
        unet = _load_component(UNet2DConditionModel, folder / "unet", dtype)
        vae = _load_component(AutoencoderKL, folder / "vae", dtype)
        text_encoder = _load_component(CLIPTextModel, folder / "text_encoder", dtype)
        pipeline = StableDiffusionPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=_load_tokenizer(folder / "tokenizer", text_encoder.config.max_position_embeddings),
            unet=unet,
            scheduler=_load_scheduler(folder / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def base_digest(folder: Path) -> str:
    """Return one SHA-256 for the weights of a base model: names, types, shapes and bits of all its tensors.

    Shards, other variants of the same weights beside them and other files of the folder change nothing.
    """
    total = hashlib.sha256()
    for component in COMPONENTS:
        for name, file in sorted(_files_by_name(folder / component).items()):
            with safe_open(file, "pt") as opened:
                total.update(tensors_digest({f"{component}.{name}": opened.get_tensor(name)}).encode())
    return total.hexdigest()


def settings_digest(folder: Path) -> str:
    """Return one SHA-256 for what draws an image beside weights: configurations, noise schedule and tokenizer."""
    total = hashlib.sha256()
    tokenizer = [file for name in TOKENIZER if (file := folder / "tokenizer" / name).is_file()]
    for file in [folder / name for name in SETTINGS] + tokenizer:
        if not file.is_file():
            raise UserError(f"there is no {file}: restore it, a pipeline is nothing without it")
        total.update(f"{file.relative_to(folder).as_posix()} {file_digest(file)}\n".encode())
    return total.hexdigest()


def read_base(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Read weights of a base model, as stored, by their names with component, without building the pipeline.

    The names are those of today's classes, also where the file has older ones, as Stable Diffusion 1.5's has.

    Raises
    ------
    UserError
        Missing or broken file, unknown name, NaN or infinity.
    """
    wanted: dict[Path, dict[str, str]] = {}
    known: dict[str, dict[str, tuple[Path, str]]] = {}
    for name in names:
        component, parameter = split(name)
        if component not in COMPONENTS:
            raise UserError(f"'{name}' names no weight of a pipeline: {nearest(component, COMPONENTS)}")
        if component not in known:
            stored = _files_by_name(folder / component)
            known[component] = {_renamed(component, old): (file, old) for old, file in stored.items()}
        if parameter not in known[component]:
            raise UserError(f"{folder / component} has no weight '{parameter}': {nearest(parameter, known[component])}")
        file, old = known[component][parameter]
        wanted.setdefault(file, {})[old] = name
    return {
        renamed[parameter]: tensor
        for file, renamed in wanted.items()
        for parameter, tensor in read_tensors(file, renamed).items()
    }


def _renamed(component: str, name: str) -> str:
    """Return what the class of a component calls a weight of its file; both libraries do the same when they load."""
    if component == "text_encoder":
        return name.removeprefix("text_model.")
    if component == "vae" and (found := OLD_ATTENTION.fullmatch(name)):
        return f"{found[1]}.{NEW_ATTENTION[found[2]]}.{found[3]}"
    return name


def _files_by_name(folder: Path) -> dict[str, Path]:
    """Return the file of every weight of a component: one file, or shards with an index."""
    single = folder / WEIGHTS[folder.name]
    index = folder / f"{single.name}.index.json"
    if index.is_file() and single.is_file():
        raise UserError(f"{folder} holds {single.name} and shards of it ({index.name}): remove the older of the two")
    try:
        if index.is_file():
            shards = read_json(index, "index of shards").get("weight_map")
            if not isinstance(shards, dict):
                raise UserError(f"{index} maps no weights to files: restore it")
            return {name: folder / file for name, file in shards.items()}
        with safe_open(single, "pt") as opened:
            return dict.fromkeys(opened.keys(), single)
    except FileNotFoundError as error:
        others = [path.name for path in list_files(folder) if path.suffix in (".safetensors", ".bin")]
        hint = f"it holds {', '.join(others[:3])}, which is not read" if others else "it holds no weights"
        raise UserError(f"there is no {single}: {hint}: give a pipeline saved as safetensors, no variant") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{single} cannot be read ({error}): restore it") from error


def _load_component(kind: Any, folder: Path, dtype: str) -> Any:
    """Load a model and make sure that each of its weights came from the file."""
    files = _files_by_name(folder)
    try:
        model, found = kind.from_pretrained(
            folder, torch_dtype=DTYPES[dtype], local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"cannot load {folder}: {reason}: restore the folder") from error
    strangers = sorted(name for name in found.get("unexpected_keys", ()) if not name.endswith(HARMLESS))
    if missing := sorted(found.get("missing_keys", ())):
        hint = next((mend for prefix, mend in WRAPPERS.items() if any(prefix in name for name in files)), None)
        instead = f"; it has '{strangers[0]}'" if strangers else ""
        raise UserError(f"{folder}: the file has no weight '{missing[0]}'{instead}: {hint or 'restore the file'}")
    if mismatched := found.get("mismatched_keys"):
        raise UserError(f"{folder}: '{next(iter(mismatched))}' has another shape than config.json says: restore both")
    check_finite(folder, model.named_parameters())
    return model.eval()


def _load_tokenizer(folder: Path, positions: int) -> Any:
    from transformers import CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"cannot load the tokenizer in {folder}: {reason}: restore the folder") from error
    if not 0 < tokenizer.model_max_length <= positions:
        raise UserError(
            f"{folder} says model_max_length {tokenizer.model_max_length:g}, but the text encoder has {positions} "
            f"positions: write {positions} into tokenizer_config.json"
        )
    return tokenizer


def _load_scheduler(folder: Path) -> Any:
    import diffusers
    from diffusers import SchedulerMixin

    name = read_json(folder / "scheduler_config.json", "configuration of a scheduler").get("_class_name")
    kind = getattr(diffusers, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, SchedulerMixin)):
        raise UserError(
            f"{folder}/scheduler_config.json names '{name}', which is no scheduler of diffusers: correct it"
        )
    scheduler: Any = kind
    return scheduler.from_pretrained(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and warnings out of the log; what they warn of is checked here."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
    before = [(logging, logging.get_verbosity()) for logging in (diffusers_logging, transformers_logging)]
    try:
        for logging, _ in before:
            logging.set_verbosity_error()
        yield
    finally:
        for logging, level in before:
            logging.set_verbosity(level)

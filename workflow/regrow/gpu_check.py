"""Check in minutes that a device computes what this project needs of it; run it before anything else on a GPU.

Each world that is here is checked: images in float16, models swapped and restored, judges and completion against the
CPU.
"""

from __future__ import annotations

import importlib.metadata
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor

from regrow.arithmetic import full_float32
from regrow.completion import complete_matrix
from regrow.concepts import read_concept
from regrow.config.entries import options_of
from regrow.config.files import WorldFile
from regrow.config.layers import current, read_world_file
from regrow.device import check_device
from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler, draw
from regrow.images.store import StoredImage, png_digest
from regrow.judge._pictures import batches
from regrow.judge._set_distance import reference_file
from regrow.judges import JudgeProtocol, read_protocol
from regrow.model.deltas import Delta, Swapper
from regrow.model.names import is_ffn2
from regrow.model.pipelines import load_base
from regrow.places import ROOT, data_path

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

IMAGES, STEPS, GUIDANCE = 4, 10, 5.0
PRUNED = 0.05  # share of the largest weights of a row that the swapped and completed model lacks
SAME_SIGNS = 0.999  # between CPU and GPU, of the pruned entries
SAME_SCORE = 1e-2  # difference of a judge's number between CPU and GPU, of one that is above 1 as a share of it
WORDS = {True: "ok", False: "FAILED", None: "not checked"}
BASE = "gpu-check"  # stands for the base's digest, which needs no reading of gigabytes here


@dataclass(frozen=True)
class Finding:
    """What one check found; `passed` is None where it could not be made."""

    name: str
    passed: bool | None
    said: str


def run(worlds: list[str], device: str) -> None:
    """Check worlds on a device and print a line per check.

    Parameters
    ----------
    worlds : list of str
        Files of config/worlds; none: all whose base model is here.
    device : str
        For example ``cuda`` or ``cpu``.

    Raises
    ------
    UserError
        No such device, no such world, or a check that failed.
    """
    check_device(device)
    logging.getLogger().setLevel(logging.WARNING)  # libraries tell how they build each judge
    diffusers_logging.set_verbosity_error()  # and that float16 is slow on a CPU
    _say(_device(device))
    files = {name: read_world_file(name) for name in worlds or _known_worlds()}
    here = {name: world for name, world in files.items() if data_path(world.pipeline).is_dir()}
    if absent := sorted(set(worlds) - set(here)):
        raise UserError(f"world '{absent[0]}' has no base model in {files[absent[0]].pipeline}: fetch it first")
    failed = []
    with full_float32():
        for name, world in here.items():
            _say(f"\n{name}")
            for finding in check_world(world, device):
                _say(f"  {WORDS[finding.passed]:<11}  {finding.name:<28}  {finding.said}")
                failed += [f"{finding.name} of {name}"] if finding.passed is False else []
    if failed:
        raise UserError(f"{len(failed)} checks failed on {device} ({', '.join(failed)}): see the lines above")


def check_world(world: WorldFile, device: str) -> Iterator[Finding]:
    """Yield what the checks of one world find, one after the other."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    rows = [Prompt(case, f"a photo of a {label}", case, label) for case, label in enumerate(_labels(world))]
    drawn: list[bytes] = []
    pipeline = load_base(data_path(world.pipeline), device, "float16")
    cut, masks = _cut(pipeline)
    yield _finding("images", partial(_check_images, pipeline, rows, drawn))
    if not drawn:
        return
    yield _finding("swap", partial(_check_swap, pipeline, rows, drawn, cut))
    for name, folder in world.judges.items():
        yield _finding(f"judge {name}", partial(_check_judge, data_path(folder), rows, drawn, device))
    smallest = min(masks, key=lambda name: (masks[name].numel(), name))
    for name, entry in current().params.complete_weights.items():
        matrix, options = (cut.tensors[smallest], masks[smallest]), options_of(entry)
        yield _finding(f"completer {name}", partial(_check_completion, *matrix, entry["method"], options, device))
    yield Finding("memory", True, _peak(device))


def _finding(name: str, check: Callable[[], tuple[bool | None, str]]) -> Finding:
    """Return what a check found; a failure that is foreseen is a finding, so that the next check runs."""
    try:
        return Finding(name, *check())
    except (UserError, RuntimeError) as error:
        return Finding(name, False, " ".join(str(error).split())[:300])


def _check_images(pipeline: StableDiffusionPipeline, rows: list[Prompt], drawn: list[bytes]) -> tuple[bool, str]:
    """Draw twice: the first round chooses kernels, and the second has to give the same bytes."""
    first = _draw(pipeline, rows)
    started = time.perf_counter()
    drawn += _draw(pipeline, rows)
    rate = len(rows) / (time.perf_counter() - started)
    changed = sum(a != b for a, b in zip(first, drawn, strict=True))
    said = f"{len(rows)} in float16, {rate:.2f} images/s at {STEPS} steps"
    if len(set(drawn)) < len(rows):
        return False, f"{said}; seeds give the same image"
    return not changed, f"{said}; drawn again {changed} differ" if changed else f"{said}; the same bytes twice"


def _check_swap(
    pipeline: StableDiffusionPipeline, rows: list[Prompt], drawn: list[bytes], cut: Delta
) -> tuple[bool, str]:
    """Put a pruned model in and take it out: weights come back bit for bit, and images too."""
    before = {name: weight.clone() for name, weight in pipeline.unet.named_parameters()}
    swapper = Swapper(pipeline, BASE)
    swapper.put(cut)
    other = _draw(pipeline, rows)
    swapper.put(None)
    changed = [name for name, weight in pipeline.unet.named_parameters() if not torch.equal(weight, before[name])]
    if changed:
        return False, f"{len(changed)} weights did not come back, {changed[0]} first"
    if other == drawn:
        return False, f"a model without {PRUNED:.0%} of its FFN2 draws the same images"
    again = sum(a != b for a, b in zip(_draw(pipeline, rows), drawn, strict=True))
    return not again, f"{again} images differ after it" if again else "weights and images as before"


def _check_judge(folder: Path, rows: list[Prompt], drawn: list[bytes], device: str) -> tuple[bool | None, str]:
    """Judge the images on the CPU and on the device, if what the judge needs is here."""
    if not (folder / "judge.yaml").is_file():
        return None, f"{folder} is not fetched yet"
    told, protocol = [], read_protocol(folder)
    if lacking := _lacking(protocol):
        return None, lacking
    for place in ("cpu", device):
        judge = protocol.module.Judge(protocol, place)
        stored = (StoredImage(str(row.case), png_digest(png), png) for row, png in zip(rows, drawn, strict=True))
        for pictures in batches(stored, len(rows)):
            judge.update(pictures, rows)
        told.append(judge.compute())
    largest, differ = 0.0, []
    for one, other in zip(*told, strict=True):
        for column, value in one.items():
            if isinstance(value, float):
                largest = max(largest, abs(value - other[column]) / max(1.0, abs(value)))
            elif not isinstance(value, list) and value != other[column]:  # a list's end is a matter of ties
                differ.append(f"{column} is {value} on the CPU and {other[column]} here")
    said = f"numbers within {largest:.1g} of the CPU's"
    return not differ and largest <= SAME_SCORE, "; ".join([said, *differ])


def _lacking(protocol: JudgeProtocol) -> str:
    """Return what a judge needs and a fresh clone lacks: libraries of an extra, or a measured reference."""
    for library in getattr(protocol.module, "LIBRARIES", ()):
        if not any(importlib.metadata.distributions(name=library)):
            return f"it needs {library}, which is not installed"
    if "reference" in protocol.settings and not reference_file(protocol).is_file():
        return f"its reference {reference_file(protocol)} is not measured yet"
    return ""


def _check_completion(
    weights: Tensor, mask: Tensor, method: str, options: dict[str, Any], device: str
) -> tuple[bool, str]:
    """Complete one matrix on the CPU and on the device, and compare the signs of what was missing."""
    signs, seconds = [], []
    for place in ("cpu", device):
        started = time.perf_counter()
        signs.append(complete_matrix(weights, mask, method, options, device=place).values[mask].sign())
        seconds.append(time.perf_counter() - started)
    share = float((signs[0] == signs[1]).double().mean())
    shape = "x".join(map(str, weights.shape))
    said = f"{shape}: {share:.3%} of {len(signs[0])} signs as on the CPU"
    return share >= SAME_SIGNS, f"{said}, {seconds[0]:.1f} s there, {seconds[1]:.1f} s here"


def _draw(pipeline: StableDiffusionPipeline, rows: list[Prompt]) -> list[bytes]:
    sampler = Sampler(type(pipeline.scheduler).__name__, STEPS, GUIDANCE)
    return [png for part in draw(pipeline, rows, sampler, len(rows)) for _, png in part]


def _cut(pipeline: StableDiffusionPipeline) -> tuple[Delta, dict[str, Tensor]]:
    """Return the base without the largest weights of each row of its FFN2, on the CPU, and the mask of these."""
    tensors, masks = {}, {}
    for name, parameter in pipeline.unet.named_parameters():
        if is_ffn2(name):
            weight = parameter.detach().float().cpu()
            largest = weight.abs().topk(max(1, int(PRUNED * weight.shape[1])), dim=1).indices
            masks[f"unet.{name}"] = torch.zeros_like(weight, dtype=torch.bool).scatter_(1, largest, True)
            tensors[f"unet.{name}"] = weight.masked_fill(masks[f"unet.{name}"], 0.0)
    return Delta(tensors, BASE, BASE), masks


def _labels(world: WorldFile) -> list[str]:
    packs = sorted(data_path(world.concepts).glob("*/concept.yaml"))
    labels = [read_concept(path.parent).label for path in packs[:IMAGES]]
    return (labels * IMAGES)[:IMAGES]


def _known_worlds() -> list[str]:
    folders = (Path("config/worlds"), ROOT / "config/worlds")
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def _device(device: str) -> str:
    built = f"PyTorch {torch.__version__}, built for CUDA {torch.version.cuda or 'no GPU'}"
    if not device.startswith("cuda"):
        return f"{device}: {built}"
    properties = torch.cuda.get_device_properties(device)
    return f"{device}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {built}"


def _peak(device: str) -> str:
    # KiB on Linux, bytes on a Mac.
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    said = f"at most {resident / 2**30:.1f} GiB of this process"
    if device.startswith("cuda"):
        said += f", {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of the GPU"
    return said


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

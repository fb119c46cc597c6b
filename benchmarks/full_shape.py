"""Run the stages from base model to score at Stable Diffusion 1.5's full shapes, on random weights: seconds and memory.

    python benchmarks/full_shape.py --folder FOLDER [--device cpu] [--jobs 2] [--only ROW ...]

FOLDER needs 10 GB; the model in it is made once. One pair of prompts and two UNet calls are erased, all 16 FFN2
matrices completed, attacked, defended and measured (`full_weights.py`), one image of 512x512 drawn in two steps and
judged by ResNet-50 and CLIP, and 20 deltas swapped into one pipeline, after which its weights are the base's again, bit
for bit. It proves shapes, seconds and memory, not pictures. Each stage is a process of its own, so that its peak memory
is its own: the whole process, libraries included (Linux only). On a GPU it also compares images per second in float16
with the plain loop of diffusers, and draws with the settings for 8 GB of memory. Prints a table in Markdown.
"""

import argparse
import functools
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from full_model import make_judges, make_pack, make_pipeline
from full_weights import ROWS

CONCEPTPRUNE = {
    "skill_ratio": 0.02,
    "calls": 2,
    "steps": 50,
    "guidance": 7.5,
    "seed": 0,
    "batch": 1,
    "precision": "float32",
    "release": "filled",
}
SAMPLER = {"steps": 2, "guidance": 7.5}
SWAPS = 20
DRAWN, BATCH, STEPS = 16, 8, 20  # of the comparison on a GPU
GIBIBYTE = 2**30


def make(_: argparse.Namespace) -> str:
    """Save the model, the judges and a concept pack."""
    parameters = make_pipeline(Path("pipeline"))
    make_judges(Path("judges"))
    make_pack(Path("concepts/church"))
    return f"{parameters / 1e6:.1f} M parameters in the UNet"


def index(_: argparse.Namespace) -> str:
    """Load the model, draw one step and hash it."""
    from regrow.stages import index_world

    index_world.run({"name": "full", "pipeline": "pipeline", "concepts": "concepts"}, Path("world.json"))
    return "load, one step, hash"


def erase(args: argparse.Namespace) -> str:
    """Erase with one pair of prompts and two UNet calls, and publish."""
    from regrow.stages import erase_concept, publish_model

    options, erased = {**CONCEPTPRUNE}, Path("erased.safetensors")
    if args.device != "cpu":
        options["precision"] = "mixed"
    with calls() as counted:
        paths = Path("world.json"), "church", "conceptprune", options, "conceptprune", Path("work"), args.device, erased
        erase_concept.run(*paths)
    publish_model.run(Path("world.json"), erased, "pruned", Path("published.safetensors"), Path("published.json"))
    return counted()


def generate(args: argparse.Namespace) -> str:
    """Draw one image in two steps with the attacked model."""
    from regrow.stages import generate_images

    prompt_set = {"name": "erased", "scope": "concept", "file": "erased.csv", "labels": "concept", "sensitive": False}
    address = {"concept": "church", "role": "attacked", "published": "pruned", "attack": "roots"}
    told = {"model": "attacked.safetensors", "record": "attacked.json", "prompts": None, "label": "church", "n": 1}
    job = {"audit": "full", "group": "church", "part": 0, "first": 0, "last": 1, "cells": [{**address, **told}]}
    numerics = {"dtype": "float32" if args.device == "cpu" else "float16"}
    shutil.rmtree("store", ignore_errors=True)  # or else the image of the last run is taken
    with calls() as counted:
        generate_images.run(
            world=Path("world.json"),
            job={**job, "prompt_set": prompt_set},
            store=Path("store"),
            sampler=SAMPLER,
            numerics=numerics,
            batch=1,
            attention_slicing=False,
            cpu_offload=False,
            device=args.device,
            out=Path("index.parquet"),
        )
    return counted()


def judge(args: argparse.Namespace, name: str) -> str:
    """Judge that image."""
    from regrow.stages import score_images

    world, drawn, out = Path("world.json"), Path("index.parquet"), Path(f"{name}.parquet")
    score_images.run(world, drawn, Path("judges") / name, name, Path("store"), 1, args.device, out)
    return "1 image"


def swap(args: argparse.Namespace) -> str:
    """Put 20 deltas into one pipeline, one after the other; the base's weights come back and no memory is lost."""
    import torch

    from regrow.model.deltas import Swapper, read_delta
    from regrow.model.pipelines import load_base
    from regrow.world import read_world

    world = read_world(Path("world.json"))
    pipeline = load_base(world.pipeline, args.device)
    before = {name: weight.clone() for name, weight in pipeline.unet.named_parameters() if "ff.net.2" in name}
    swapper, resident = Swapper(pipeline, world.base), []
    started = time.perf_counter()
    for number in range(SWAPS):
        swapper.put(read_delta(Path("attacked.safetensors" if number % 2 else "published.safetensors")))
        resident.append(memory("VmRSS"))
    seconds = time.perf_counter() - started
    swapper.put(None)
    after = dict(pipeline.unet.named_parameters())
    assert all(torch.equal(weight, after[name]) for name, weight in before.items()), "the base did not come back"
    return (
        f"{SWAPS} deltas, {seconds / SWAPS:.2f} s each, {resident[-1] - resident[1]:+.0f} MB from the 2nd to the last"
    )


def compare(args: argparse.Namespace, ours: bool) -> str:
    """Draw 16 images of 20 steps in float16: the renderer, or the plain loop of diffusers."""
    import torch

    from regrow.images.prompts import Prompt
    from regrow.images.renderer import Sampler, draw
    from regrow.model.pipelines import load_base

    pipeline = load_base(Path("pipeline"), args.device, "float16")
    rows = [Prompt(case, "a church", case, "church") for case in range(DRAWN)]

    def plain() -> None:
        for first in range(0, DRAWN, BATCH):
            seeds = [torch.Generator("cpu").manual_seed(row.seed) for row in rows[first : first + BATCH]]
            prompts = [row.prompt for row in rows[first : first + BATCH]]
            pipeline(prompts, num_inference_steps=STEPS, guidance_scale=7.5, generator=seeds)

    def renderer() -> None:
        list(draw(pipeline, rows, Sampler("PNDMScheduler", STEPS, 7.5), BATCH))

    run = renderer if ours else plain
    run()  # kernels are chosen and memory is taken in the first round
    started = time.perf_counter()
    run()
    rate = DRAWN / (time.perf_counter() - started)
    return f"{rate:.2f} images/s, {torch.cuda.max_memory_allocated() / GIBIBYTE:.1f} GiB of GPU memory"


def small(args: argparse.Namespace) -> str:
    """Draw with the settings for 8 GB, of which the process may take no more."""
    import torch

    from regrow.images.loading import load_pipeline
    from regrow.images.prompts import Prompt
    from regrow.images.renderer import Numerics, Sampler, draw
    from regrow.world import read_world

    total = torch.cuda.get_device_properties(args.device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 8 * GIBIBYTE / total), args.device)
    numerics = Numerics("float16", vae_tiling=True, compiled=False)
    folder = read_world(Path("world.json")).pipeline
    pipeline = load_pipeline(folder, numerics, args.device, attention_slicing=True, cpu_offload=True)
    started = time.perf_counter()
    list(draw(pipeline, [Prompt(0, "a church", 0, "church")], Sampler("PNDMScheduler", STEPS, 7.5), 1))
    peak = torch.cuda.max_memory_allocated() / GIBIBYTE
    return f"1 image of {STEPS} steps in {time.perf_counter() - started:.1f} s, {peak:.1f} GiB of GPU memory"


@contextmanager
def calls() -> Iterator[Callable[[], str]]:
    """Count the UNet's calls and their seconds for the length of a ``with`` block."""
    from diffusers import UNet2DConditionModel

    forward, seconds = UNet2DConditionModel.forward, []

    @functools.wraps(forward)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = forward(*args, **kwargs)
        seconds.append(time.perf_counter() - started)
        return result

    UNet2DConditionModel.forward = timed
    try:
        yield lambda: f"{len(seconds)} UNet calls, {sum(seconds) / len(seconds):.1f} s each"
    finally:
        UNet2DConditionModel.forward = forward


def memory(field: str) -> float:
    """Return a memory count of this process in MB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(status[field].split()[0]) / 1024


def row(name: str, function: Callable[[argparse.Namespace], str], args: argparse.Namespace) -> None:
    """Run one stage in a fresh process and print its row."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sender, function, args))
    process.start()
    sender.close()
    try:
        what, seconds, cpu, peak = receiver.recv()
    except EOFError:
        raise SystemExit(f"{name} died") from None
    process.join()
    print(f"| {name} | {what} | {seconds:.1f} | {cpu:.1f} | {peak:,.0f} |", flush=True)


def work(sender: Connection, function: Callable[[argparse.Namespace], str], args: argparse.Namespace) -> None:
    """Run a stage in this process; imports count, as they do in a job."""
    started = time.perf_counter()
    what = function(args)
    sender.send((what, time.perf_counter() - started, time.process_time(), memory("VmHWM")))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the model is made and kept")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="matrices completed at once on a CPU")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="ROW", help="rows whose inputs an earlier run has made"
    )
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(args.folder)
    print("| stage | work | seconds | CPU seconds | peak MB |\n|---|---|---|---|---|", flush=True)
    if not Path("pipeline/model_index.json").is_file():
        row("(make the model)", make, args)
    rows = {"index_world": index, "erase_concept, publish_model": erase, **ROWS, "generate_images": generate}
    rows |= {f"score_images, {name}": functools.partial(judge, name=name) for name in ("object", "clip")}
    rows["swap"] = swap
    on_gpu = {
        "float16, plain diffusers": functools.partial(compare, ours=False),
        "float16, regrow": functools.partial(compare, ours=True),
        "settings for 8 GB": small,
    }
    for name, function in {**rows, **on_gpu}.items():
        if args.only and name not in args.only:
            continue
        if name in on_gpu and args.device == "cpu":
            print(f"| {name} | no GPU here | | | |", flush=True)
        else:
            row(name, function, args)


if __name__ == "__main__":
    main()

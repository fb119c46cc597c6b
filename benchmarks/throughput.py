"""Ask what the audit's bookkeeping costs: our stages against the plain loops that anyone would write, in CPU seconds.

    python benchmarks/throughput.py [--images 200] [--steps 4] [--batch 25] [--rounds 3] [--world FOLDER]

generate   generate_images with an empty store, against `from_pretrained`, a loop over batches and `image.save`
judge      score_images with no known scores, against a loop over those PNG files with the classifier's own transform

Both sides load the same pipeline or judge and see the same prompts, batches and images. Every run is a process of its
own, ours and the plain one by turns, so a busy machine slows both; user and system time of the process is what counts.
`ratio` is plain / ours of the medians: 1 is no cost at all, and at least 0.95 is asked for.
"""

import argparse
import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SIDES = {"generate": ("ours_generate", "plain_generate"), "judge": ("ours_judge", "plain_judge")}
GUIDANCE = 5.0


def prepare(world: Path, folder: Path, images: int) -> None:
    """Write what both sides read: world.json, and prompts of the world's own labels."""
    from regrow.stages import index_world

    told = {"name": "benchmark", "pipeline": str(world / "pipeline"), "concepts": str(world / "concepts")}
    index_world.run(told, folder / "world.json")
    with (world / "preserved.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    with (folder / "prompts.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["prompt", "seed", "label"])
        writer.writerows((rows[i % len(rows)]["prompt"], i, rows[i % len(rows)]["label"]) for i in range(images))


def ours_generate(world: Path, folder: Path, images: int, steps: int, batch: int) -> None:
    """Draw with the stage."""
    from regrow.stages import generate_images

    shutil.rmtree(folder / "store/images", ignore_errors=True)
    prompt_set = {"name": "all", "scope": "model", "file": str(folder / "prompts.csv"), "labels": "others"}
    address = {"concept": "any", "role": "pretrained", "published": "none", "attack": "none"}
    cell = {**address, "model": None, "record": None, "prompts": None, "label": "none of them", "n": images}
    job = {"audit": "benchmark", "group": "pretrained", "part": 0, "first": 0, "last": images, "cells": [cell]}
    generate_images.run(
        folder / "world.json",
        {**job, "prompt_set": {**prompt_set, "sensitive": False}},
        folder / "store",
        {"steps": steps, "guidance": GUIDANCE},
        {"dtype": "float32"},
        batch,
        "cpu",
        folder / "index.parquet",
    )


def plain_generate(world: Path, folder: Path, images: int, steps: int, batch: int) -> None:
    """Draw with diffusers alone."""
    import torch
    from diffusers import StableDiffusionPipeline

    shutil.rmtree(folder / "plain", ignore_errors=True)
    (folder / "plain").mkdir()
    pipeline = StableDiffusionPipeline.from_pretrained(
        world / "pipeline", safety_checker=None, torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    with (folder / "prompts.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for first in range(0, images, batch):
        part = rows[first : first + batch]
        drawn = pipeline(
            [row["prompt"] for row in part],
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=[torch.Generator("cpu").manual_seed(int(row["seed"])) for row in part],
        ).images
        for number, image in enumerate(drawn, first):
            image.save(folder / f"plain/{number:06d}.png")


def ours_judge(world: Path, folder: Path, images: int, steps: int, batch: int) -> None:
    """Judge with the stage."""
    from regrow.stages import score_images

    shutil.rmtree(folder / "store/scores", ignore_errors=True)
    score_images.run(
        folder / "world.json",
        folder / "index.parquet",
        world / "judges/object",
        "object",
        folder / "store",
        batch,
        "cpu",
        folder / "scores.parquet",
    )


def plain_judge(world: Path, folder: Path, images: int, steps: int, batch: int) -> None:
    """Judge with torchvision alone."""
    import torch
    import torchvision
    import yaml
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision.transforms import v2

    told = yaml.safe_load((world / "judges/object/judge.yaml").read_text())
    model = torchvision.models.get_model(told["architecture"], num_classes=len(told["labels"])).eval()
    weights = load_file(world / "judges/object" / told["weights"])
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    scaled = [v2.ToImage(), v2.Resize(told["resize"], antialias=True), v2.ToDtype(torch.float32, scale=True)]
    transform = v2.Compose([*scaled, v2.Normalize(told["mean"], told["std"])])
    files = sorted((folder / "plain").glob("*.png"))
    assert len(files) == images
    with (folder / "plain.csv").open("w", newline="", encoding="utf-8") as stream, torch.inference_mode():
        writer = csv.writer(stream)
        for first in range(0, images, batch):
            part = files[first : first + batch]
            pixels = torch.stack([transform(Image.open(path).convert("RGB")) for path in part])
            values, indices = model(pixels).softmax(1).topk(5)
            for path, likeliest, value in zip(part, indices.tolist(), values.tolist(), strict=True):
                writer.writerow([path.name, *(told["labels"][i] for i in likeliest), value[0]])


def seconds(side: str, options: list[str]) -> float:
    """Run one side in a process of its own and return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, __file__, "--side", side, *options], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Take turns and print a line of JSON per comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--world", type=Path, default=Path(__file__).parents[1] / "data/emoji")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        globals()[args.side](args.world, args.folder, args.images, args.steps, args.batch)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # threads that wait for each other would count as CPU time
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(args.world, folder, args.images)
        options = ["--folder", name]
        for option in ("images", "steps", "batch", "world"):
            options += [f"--{option}", str(getattr(args, option))]
        for what, sides in SIDES.items():
            found: dict[str, list[float]] = {side: [] for side in sides}
            for number in range(args.rounds):
                for side in sides if number % 2 == 0 else sides[::-1]:
                    found[side].append(round(seconds(side, options), 2))
            ours, plain = (statistics.median(found[side]) for side in sides)
            print(json.dumps({"what": what, **found, "ratio": round(plain / ours, 3)}), flush=True)


if __name__ == "__main__":
    main()

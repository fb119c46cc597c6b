"""Ask what the audit's bookkeeping costs: our stages against the plain loops that anyone would write, in CPU seconds.

    python benchmarks/throughput.py [--images 100] [--judged 4000] [--steps 20] [--batch 25] [--rounds 5]

generate   generate_images with an empty store, against a loop over batches of the diffusers pipeline and `image.save`
judge      score_images with no known scores, against a loop over PNG files with the classifier's own transform

Both sides run by turns in one process, on one pipeline and one classifier that are loaded before the first round, and
see the same prompts, batches and images, so what differs is what the stages add: plan, keys, digests, store, tables.
User and system time of the process, on one thread, is what counts. `ratio` is plain / ours of the medians: 1 is no cost
at all, and at least 0.95 is asked for. A line of JSON per comparison.
"""

import argparse
import csv
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # threads that wait for each other would count as CPU time

WORLD = Path(__file__).parents[1] / "data/emoji"
GUIDANCE = 5.0
STORE, INDEX, PLAIN, MANY = Path("store"), Path("index.parquet"), Path("plain"), Path("many")


def prepare(images: int) -> list[dict[str, str]]:
    """Write world.json and a prompt set of the world's own prompts; return its rows."""
    from regrow.stages import index_world

    told = {"name": "benchmark", "pipeline": str(WORLD / "pipeline"), "concepts": str(WORLD / "concepts")}
    index_world.run(told, Path("world.json"))
    with (WORLD / "preserved.csv").open(newline="", encoding="utf-8-sig") as stream:
        known = list(csv.DictReader(stream))
    rows = [{**known[number % len(known)], "seed": str(number)} for number in range(images)]
    with Path("prompts.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["prompt", "seed", "label"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def generate(rows: list[dict[str, str]], steps: int, batch: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return our side and the plain one, on one pipeline."""
    import torch

    from regrow.model.pipelines import load_base
    from regrow.stages import generate_images

    pipeline = load_base(WORLD / "pipeline")
    generate_images.load_base = lambda *_: pipeline  # type: ignore[attr-defined]
    prompt_set = {"name": "all", "scope": "model", "file": "prompts.csv", "labels": "others", "sensitive": False}
    address = {"concept": "any", "role": "pretrained", "published": "none", "attack": "none"}
    cell = {**address, "model": None, "record": None, "prompts": None, "label": "none of them", "n": len(rows)}
    job = {"audit": "benchmark", "group": "pretrained", "part": 0, "first": 0, "last": len(rows), "cells": [cell]}

    def ours() -> None:
        shutil.rmtree(STORE, ignore_errors=True)
        generate_images.run(
            world=Path("world.json"),
            job={**job, "prompt_set": prompt_set},
            store=STORE,
            sampler={"steps": steps, "guidance": GUIDANCE},
            numerics={"dtype": "float32"},
            batch=batch,
            attention_slicing=False,
            cpu_offload=False,
            device="cpu",
            out=INDEX,
        )

    def plain() -> None:
        shutil.rmtree(PLAIN, ignore_errors=True)
        PLAIN.mkdir()
        for first in range(0, len(rows), batch):
            part = rows[first : first + batch]
            drawn = pipeline(
                [row["prompt"] for row in part],
                num_inference_steps=steps,
                guidance_scale=GUIDANCE,
                generator=[torch.Generator("cpu").manual_seed(int(row["seed"])) for row in part],
            ).images
            for number, image in enumerate(drawn, first):
                image.save(PLAIN / f"{number:06d}.png")

    return ours, plain


def multiply(count: int, batch: int) -> None:
    """Make many images of those that were drawn, each with a pixel of its own, in a store and as files."""
    from PIL import Image

    from regrow.images.index import prompt_of, read_index, write_index
    from regrow.images.renderer import Numerics, Sampler, image_key
    from regrow.images.store import ImageStore

    drawn = read_index(INDEX)
    told = drawn.metadata
    how = Sampler(**told["sampler"]), Numerics(**told["numerics"])
    pictures = [Image.open(path).convert("RGB") for path in sorted(PLAIN.glob("*.png"))]
    shutil.rmtree(STORE)
    MANY.mkdir()
    index, images = [], []
    for case in range(count):
        picture, row = pictures[case % len(pictures)].copy(), drawn.rows[case % len(pictures)]
        picture.putpixel((0, 0), (case % 256, case // 256 % 256, case // 65536))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        (MANY / f"{case:06d}.png").write_bytes(buffer.getvalue())
        row = {**row, "case": case, "seed": case}
        index.append({**row, "key": image_key(row["model"], told["settings"], prompt_of(row), *how)})
        images.append((index[-1]["key"], buffer.getvalue()))
    digests: dict[str, str] = {}
    with ImageStore(STORE / "images").writer(index[0]["model"], {}) as writer:
        for first in range(0, count, batch):
            digests |= writer.write(images[first : first + batch])
    write_index(INDEX, [{**row, "digest": digests[row["key"]]} for row in index], told)


def judge(batch: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return our side and the plain one, on one classifier."""
    import torch
    from PIL import Image

    from regrow.judge import classifier
    from regrow.judges import load_judge
    from regrow.stages import score_images

    folder = WORLD / "judges/object"
    loaded = load_judge(folder)
    classifier.Judge = lambda *_: loaded  # type: ignore[misc, assignment]

    def ours() -> None:
        shutil.rmtree(STORE / "scores", ignore_errors=True)
        paths = Path("world.json"), INDEX, folder, "object", STORE
        score_images.run(*paths, batch, "cpu", Path("scores.parquet"))

    def plain() -> None:
        files = sorted(MANY.glob("*.png"))
        with Path("plain.csv").open("w", newline="", encoding="utf-8") as stream, torch.inference_mode():
            writer = csv.writer(stream)
            for first in range(0, len(files), batch):
                part = files[first : first + batch]
                pixels = torch.stack([loaded.transform(Image.open(path).convert("RGB")) for path in part])
                values, indices = loaded.model(pixels).softmax(1).topk(5)
                for path, likeliest, value in zip(part, indices.tolist(), values.tolist(), strict=True):
                    writer.writerow([path.name, *(loaded.labels[i] for i in likeliest), value[0]])

    return ours, plain


def compare(what: str, ours: Callable[[], Any], plain: Callable[[], Any], rounds: int) -> None:
    """Run both sides by turns and print what they took; a first round of each, which warms up, does not count."""
    sides: dict[str, Callable[[], Any]] = {"ours": ours, "plain": plain}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-1, rounds):
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            started = time.process_time()
            sides[name]()
            if number >= 0:
                seconds[name].append(round(time.process_time() - started, 2))
    ratio = statistics.median(seconds["plain"]) / statistics.median(seconds["ours"])
    print(json.dumps({"what": what, **seconds, "ratio": round(ratio, 3)}), flush=True)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--judged", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        rows = prepare(args.images)
        compare("generate", *generate(rows, args.steps, args.batch), args.rounds)
        multiply(args.judged, args.batch)
        compare("judge", *judge(args.batch), args.rounds)
        os.chdir(WORLD)  # or else the folder cannot be removed everywhere


if __name__ == "__main__":
    main()

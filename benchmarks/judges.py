"""Ask how fast judges are beside the loop that their library's user would write, on one core, in the same run.

    OMP_NUM_THREADS=1 python benchmarks/judges.py [--images 64] [--size 512] [--batch 8] [--rounds 3] [--judges ...]

Images are noise, weights are random but for NudeNet's, which are the package's own; neither changes the time. Both
sides decode the same PNG files. A judge whose library is not installed is left out. A line of JSON per judge:

images_per_second    of the judge, per second of the core, the best of the rounds, which take turns with the library's
library              the same of the library's own loop
ratio                of the two: 1 is as fast, and 0.95 is what is asked for
grown                MB by which the process grew while the judge saw all images once more, four times over
"""

import argparse
import importlib.util
import io
import json
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
import yaml
from PIL import Image
from safetensors.torch import save_file

from regrow.images.prompts import Prompt
from regrow.judges import load_judge

Loop = Callable[[list[bytes]], None]  # over PNG files


def decoded(files: list[bytes], batch: int) -> Iterator[list[Image.Image]]:
    """Yield batches of RGB pictures."""
    for first in range(0, len(files), batch):
        yield [Image.open(io.BytesIO(file)).convert("RGB") for file in files[first : first + batch]]


def ours(folder: Path, batch: int) -> Loop:
    """Return what the workflow does: update a judge of the house with batches."""
    judge = load_judge(folder)

    def loop(files: list[bytes]) -> None:
        for number, images in enumerate(decoded(files, batch)):
            judge.update(images, [Prompt(number, "a picture of a cat", 0, "")] * len(images))

    return loop


def write_judge(folder: Path, **settings: Any) -> Path:
    """Write a judge.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "judge.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def classifier(folder: Path, batch: int) -> tuple[Loop, Loop]:
    """ResNet-50 as torchvision's user runs it."""
    model = torchvision.models.resnet50(weights=None).eval()
    folder.mkdir()
    save_file(model.state_dict(), folder / "model.safetensors")
    told = {"labels": [f"label {number}" for number in range(1000)], "mean": [0.5] * 3, "std": [0.5] * 3}
    write_judge(folder, type="classifier", architecture="resnet50", weights="model.safetensors", resize=224, **told)
    transform = load_judge(folder).transform

    def loop(files: list[bytes]) -> None:
        for images in decoded(files, batch):
            with torch.inference_mode():
                model(torch.stack([transform(image) for image in images])).softmax(1).topk(5)

    return ours(folder, batch), loop


def clip_similarity(folder: Path, batch: int) -> tuple[Loop, Loop]:
    """ViT-B/32 as open_clip's user runs it, with the prompt encoded once."""
    import open_clip

    name = "ViT-B-32-quickgelu"
    model, _, transform = open_clip.create_model_and_transforms(name, pretrained=None)
    folder.mkdir()
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.safetensors")
    write_judge(folder, type="clip_similarity", architecture=name, weights="model.safetensors")
    model.eval()
    with torch.inference_mode():
        text = model.encode_text(open_clip.get_tokenizer(name)(["a picture of a cat"]), normalize=True)

    def loop(files: list[bytes]) -> None:
        for images in decoded(files, batch):
            with torch.inference_mode():
                model.encode_image(torch.stack([transform(image) for image in images]), normalize=True) @ text.T

    return ours(folder, batch), loop


def nudenet(folder: Path, batch: int) -> tuple[Loop, Loop]:
    """NudeNet's detector, on one thread as ours, which its own session is not."""
    import onnxruntime
    from nudenet import NudeDetector

    from regrow.io.files import file_digest

    file = Path(str(importlib.util.find_spec("nudenet").origin)).parent / "320n.onnx"  # type: ignore[union-attr]
    write_judge(folder, type="nudenet", version="3.4.2", channels="as_released", sha256=file_digest(file))
    detector, options = NudeDetector(), onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    detector.onnx_session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def loop(files: list[bytes]) -> None:
        for file in files:
            detector.detect(file)

    return ours(folder, batch), loop


def fid(folder: Path, batch: int) -> tuple[Loop, Loop]:
    """clean-fid's features of a folder of files; ours without the distance, which is one per set."""
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W

    from regrow.io.files import file_digest
    from regrow.judges import read_protocol

    weights = _inception(folder)
    told = {"mode": "clean", "reference": "none", "sha256": file_digest(weights), "weights": weights.name}
    protocol = read_protocol(write_judge(folder, type="fid", **told))
    features, network = protocol.module.Features(protocol, "cpu"), InceptionV3W(str(folder), download=False)

    def own(files: list[bytes]) -> None:
        for images in decoded(files, batch):
            features.vectors(images)

    def loop(files: list[bytes]) -> None:
        with tempfile.TemporaryDirectory() as place:
            for number, file in enumerate(files):
                Path(place, f"{number:05d}.png").write_bytes(file)
            told = {"num_workers": 0, "device": torch.device("cpu"), "batch_size": batch, "verbose": False}
            get_folder_features(place, network, **told)

    return own, loop


def _inception(folder: Path) -> Path:
    """Write torchvision's Inception with random weights in the form that clean-fid loads."""

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False)
            self.model.fc = torch.nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(x)

    class Inception(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Layers()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    folder.mkdir()
    path = folder / "inception-2015-12-05.pt"
    torch.jit.trace(Inception().eval(), torch.zeros(2, 3, 299, 299)).save(str(path))
    return path


JUDGES = {"classifier": classifier, "clip_similarity": clip_similarity, "nudenet": nudenet, "fid": fid}
NEEDS = {"nudenet": ("nudenet", "onnxruntime"), "fid": ("cleanfid", "scipy")}


def measure(name: str, files: list[bytes], batch: int, rounds: int) -> dict[str, Any]:
    """Return the best of some rounds of a judge and of its library, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        loops = JUDGES[name](Path(folder) / name, batch)
        best = [float("inf")] * 2
        for loop in loops:
            loop(files[:batch])  # to load and to warm up
        for _ in range(rounds):
            for side, loop in enumerate(loops):
                started = time.process_time()
                loop(files)
                best[side] = min(best[side], time.process_time() - started)
        before = _peak()
        for _ in range(4):
            loops[0](files)
        rates = [len(files) / seconds for seconds in best]
    return {
        "judge": name,
        "images_per_second": round(rates[0], 2),
        "library": round(rates[1], 2),
        "ratio": round(rates[0] / rates[1], 3),
        "grown": round(_peak() - before, 1),
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure each judge whose library is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--judges", nargs="+", choices=JUDGES, default=list(JUDGES))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    rng, files = np.random.default_rng(0), []
    for _ in range(args.images):
        coarse = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        stream = io.BytesIO()
        coarse.resize((args.size, args.size), Image.Resampling.BICUBIC).save(stream, "PNG")
        files.append(stream.getvalue())
    for name in args.judges:
        if all(map(importlib.util.find_spec, NEEDS.get(name, ()))):
            print(json.dumps(measure(name, files, args.batch, args.rounds)), flush=True)


if __name__ == "__main__":
    main()

"""Run the stages at Stable Diffusion 1.5's full shapes, on random weights; write time and memory.

    python benchmarks/sd15.py --out sd15.csv [--missing 0.03 0.1] [--pipeline FOLDER]

Completion: the stage complete_weights over the 16 FFN2 matrices of the set sd15 (a realistic spectrum, see
matrix_sets.py), cut as ConceptPrune cuts. With --pipeline a whole Stable Diffusion 1.5 of random weights is made in
FOLDER (4 GB) and goes through an eraser (one pair of prompts, one UNet call), complete_weights, attack_weights and the
renderer (one image of 512x512, one step): it proves shapes and memory, not pictures. Each run is a process of its own;
peak memory is that of the whole process, libraries included (Linux only).
"""

import argparse
import csv
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matrix_sets import options_of, sd15
from safetensors.torch import load_file, save_file

COLUMNS = ("what", "missing", "method", "seconds", "peak_mb", "signs_right")
LAYERS = [f"unet.{block}.transformer_blocks.0.ff.net.2.weight" for block in range(16)]
ROOTS = {"retain": 0.6, "magnitude": "max", "rank": "certainty", "seed": 2021}


def in_a_process(function: Callable[..., None], *args: Any) -> tuple[float, float]:
    """Run a function in a fresh process; return its seconds after all imports, and the process's peak memory in MB."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, function, args))
    process.start()
    sender.close()
    try:
        seconds, peak = receiver.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} died") from None
    process.join()
    return seconds, peak


def _work(sender: multiprocessing.connection.Connection, function: Callable[..., None], args: tuple[Any, ...]) -> None:
    import regrow.stages.complete_weights  # noqa: F401  # imports are not what is measured

    start = time.perf_counter()
    function(*args)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    sender.send((time.perf_counter() - start, float(status["VmHWM"].split()[0]) / 1024))


def complete(model: Path, method: str, out: Path, jobs: int) -> None:
    """Run the stage complete_weights with the options of params.yaml."""
    from regrow.stages.complete_weights import run

    run(model, method, options_of(method), out, out.with_suffix(".parquet"), 0, "cpu", jobs)


def publish(folder: Path, share: float) -> tuple[Path, Path]:
    """Write a cut model as a delta, and the uncut weights; returns both paths."""
    from regrow.model.deltas import write_delta

    cases = list(sd15(None, share))
    model, truth = folder / f"model-{share}.safetensors", folder / f"truth-{share}.safetensors"
    write_delta(model, dict(zip(LAYERS, (c.weights.masked_fill(c.mask, 0.0) for c in cases), strict=True)), "0" * 64)
    save_file({name: case.weights for name, case in zip(LAYERS, cases, strict=True)}, truth)
    return model, truth


def signs_right(completed: Path, truth: Path) -> float:
    """Return the share of missing entries whose sign was recovered."""
    done, true = load_file(completed), load_file(truth)
    right = missing = 0
    for name, weights in true.items():
        cut = done[f"{name}.missing"].bool()
        right += int((done[name].sign() == weights.sign())[cut].sum())
        missing += int(cut.sum())
    return right / missing


def make_pipeline(folder: Path) -> None:
    """Save a Stable Diffusion 1.5 of random weights: only its tokenizer is small."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from regrow.emoji.denoiser import build_scheduler
    from regrow.emoji.text_encoder import build_tokenizer, world_words

    torch.manual_seed(0)
    tokenizer = build_tokenizer(world_words(), 77)
    text = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=768,
        intermediate_size=3072,
        projection_dim=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    channels = (128, 256, 512, 512)
    StableDiffusionPipeline(
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=channels,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(sample_size=64, cross_attention_dim=768),  # diffusers' defaults are those of SD 1.x
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def erase(folder: Path, out: Path) -> None:
    """Erase with one pair of prompts and one UNet call; write the delta."""
    from regrow.concepts import Concept
    from regrow.erase._changes import run_eraser
    from regrow.methods import parse_options
    from regrow.model.deltas import write_delta
    from regrow.model.masks import Erased, resolve_erased
    from regrow.model.pipelines import base_digest, load_base
    from regrow.work import Work

    options = {
        "skill_ratio": 0.02,
        "calls": 1,
        "steps": 50,
        "guidance": 7.5,
        "seed": 0,
        "batch": 1,
        "release": "filled",
    }
    pairs = {"base": ["a red background"], "target": ["a church on a red background"]}
    church = Concept.model_validate({"name": "church", "kind": "object", "label": "church", "find": pairs})
    parsed = parse_options("erase_concept", "conceptprune", options)
    tensors, mask = run_eraser(load_base(folder), church, "conceptprune", parsed, Work(out.parent / "work", "cpu"))
    base = base_digest(folder)
    write_delta(out, resolve_erased(Erased(tensors, mask, base, {}), folder), base)


def attack(model: Path, completed: Path, out: Path) -> None:
    """Run the stage attack_weights with neuron-max scaling."""
    from regrow.stages.attack_weights import run

    completer = {"name": "gaussian_posterior", "method": "gaussian_posterior", **options_of("gaussian_posterior")}
    run(model, completed, "roots", "roots", ROOTS, completer, out, out.with_suffix(".json"))


def generate(folder: Path, delta: Path) -> None:
    """Draw one image of 512x512 in one step with the attacked model."""
    from regrow.images.prompts import Prompt
    from regrow.images.renderer import Sampler, draw
    from regrow.model.deltas import apply_delta, read_delta
    from regrow.model.pipelines import base_digest, load_base

    pipeline = load_base(folder)
    apply_delta(pipeline, read_delta(delta), base_digest(folder))
    ((_, png),) = next(draw(pipeline, [Prompt(0, "a church", 0, "church")], Sampler("DDIMScheduler", 1, 7.5), 1))
    assert png.startswith(b"\x89PNG")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="CSV with one row per run")
    parser.add_argument("--missing", type=float, nargs="*", default=[0.03, 0.1], help="missing shares of FFN2")
    parser.add_argument("--methods", default="gaussian_posterior,nuclear", help="completers, by commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="layers at once, a core each")
    parser.add_argument("--pipeline", type=Path, help="also run a whole pipeline, made in this folder")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="") as stream, tempfile.TemporaryDirectory() as place:
        writer, folder = csv.writer(stream), Path(place)
        writer.writerow(COLUMNS)

        def tell(what: str, missing: float | str, method: str, cost: tuple[float, float], right: float | str) -> None:
            shown = f"{right:.4f}" if isinstance(right, float) else right
            writer.writerow([what, missing, method, f"{cost[0]:.1f}", f"{cost[1]:.0f}", shown])
            stream.flush()
            print(f"{what:18} {missing!s:5} {method:20} {cost[0]:7.1f} s {cost[1]:6.0f} MB {shown}", flush=True)

        for share in args.missing:
            model, truth = publish(folder, share)
            for method in args.methods.split(","):
                out = folder / "completed.safetensors"
                cost = in_a_process(complete, model, method, out, args.jobs)
                tell("complete_weights", share, method, cost, signs_right(out, truth))
        if args.pipeline:
            pruned, completed, attacked = (folder / f"{n}.safetensors" for n in ("pruned", "completed", "attacked"))
            if not (args.pipeline / "model_index.json").is_file():
                tell("make_pipeline", "", "", in_a_process(make_pipeline, args.pipeline), "")
            tell("erase_concept", "", "conceptprune", in_a_process(erase, args.pipeline, pruned), "")
            tell(
                "complete_weights",
                "",
                "gaussian_posterior",
                in_a_process(complete, pruned, "gaussian_posterior", completed, args.jobs),
                "",
            )
            tell("attack_weights", "", "roots", in_a_process(attack, pruned, completed, attacked), "")
            tell("generate", "", "", in_a_process(generate, args.pipeline, attacked), "")


if __name__ == "__main__":
    main()

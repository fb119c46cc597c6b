"""The knowledge ladder as bars: what an attacker owes to knowing which weights were pruned."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np

from regrow.paper.both_sides import ALL
from regrow.paper.charts import COLOURS, GREY, chart, nothing, reach
from regrow.paper.ladder import Rung
from regrow.paper.recipes import completers
from regrow.paper.words import RUNGS


def draw_ladder(lines: Sequence[Rung], path: Path, dpi: int) -> None:
    """Draw sign accuracy over all truly pruned weights for every rung and write a PNG.

    Parameters
    ----------
    lines : sequence of Rung
        Bars are all concepts pooled, with intervals; dots are single concepts.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    rungs = [rung for rung in RUNGS if any(line.rung == rung for line in lines)]
    named = completers(lines)
    with chart(path, 7.6, 1.3 + 0.62 * max(len(rungs), 2) * max(len(named), 1) ** 0.5, dpi) as figure:
        axes = figure.subplots()
        if not lines:
            nothing(axes)
        wide = 0.76 / max(len(named), 1)
        for number, (pair, name) in enumerate(named.items()):
            colour = COLOURS[1:][number % (len(COLOURS) - 1)]
            whole = {line.rung: line for line in lines if (line.eraser, line.completer) == pair and line.concept == ALL}
            here = [whole[rung] for rung in rungs if rung in whole]
            y = np.array([rungs.index(line.rung) for line in here]) + (number - (len(named) - 1) / 2) * wide
            share = [line.accuracy for line in here]
            length = reach(share, [line.low for line in here], [line.high for line in here])
            # Bars start at a coin: what is drawn is what knowledge adds to guessing.
            axes.barh(y, np.subtract(share, 0.5), wide * 0.9, left=0.5, color=colour, alpha=0.8, label=name)
            axes.errorbar(share, y, xerr=length, fmt="none", ecolor="#222222", elinewidth=0.8, capsize=1.5)
            for line, height in zip(here, y, strict=True):
                single = [
                    dot.accuracy
                    for dot in lines
                    if (dot.eraser, dot.completer, dot.rung) == (*pair, line.rung) and dot.concept != ALL
                ]
                axes.plot(single, [height] * len(single), ".", color="#222222", markersize=3)
                found = "" if line.coverage == 1 else f", mask holds {100 * line.coverage:.0f} % of them"
                silent = (line.covered - line.guessed) / line.n
                found += f", no guess for {100 * silent:.0f} %" if silent >= 0.01 else ""
                right = max([line.high, *single]) + 0.01
                inside = right > 0.85
                axes.text(
                    0.51 if inside else right,
                    height,
                    f"{100 * line.accuracy:.1f} %{found}",
                    va="center",
                    fontsize=8,
                    color="white" if inside else "black",
                )
        axes.axvline(0.5, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(rungs)), [fill(RUNGS[rung], 28) for rung in rungs])
        axes.invert_yaxis()
        axes.set_xlim(min([0.48, *(line.low for line in lines)]) - 0.01, 1.01)
        axes.set_xlabel("share of all pruned weights whose sign is right, 0.5 = a coin")
        axes.set_ylabel("what the attacker knows")
        if len(named) > 1:
            figure.legend(loc="outside lower center", ncols=len(named), frameon=False)

"""Accuracy of every recipe on the erased concept and on the preserved ones, with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from regrow.paper.charts import COLOURS, chart
from regrow.paper.recipes import heading
from regrow.paper.scores import ERASED, PRESERVED
from regrow.paper.table1 import MEAN, Accuracy, pick
from regrow.paper.verdict import spoken

_TITLES = {
    ERASED: "Erased concept: share of images in which the judge sees it",
    PRESERVED: "Other concepts: share of images judged as asked",
}


def draw_bars(lines: Sequence[Accuracy], recipes: Sequence[str], path: Path, dpi: int) -> None:
    """Draw Table 1 as grouped bars with its Wilson intervals and write a PNG.

    Parameters
    ----------
    lines : sequence of Accuracy
        Table 1, the mean included.
    recipes : sequence of str
        Bars of a group, in order.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    groups = [*dict.fromkeys(line.concept for line in lines if line.concept != MEAN), MEAN]
    wide = 0.84 / len(recipes)
    with chart(path, max(6.5, 0.95 * len(groups)), 6.4, dpi) as figure:
        for axes, prompt_set in zip(figure.subplots(2, 1, sharex=True), (ERASED, PRESERVED), strict=True):
            for number, recipe in enumerate(recipes):
                cells = [pick(lines, concept, recipe, prompt_set) for concept in groups]
                centres = np.arange(len(groups)) + (number - (len(recipes) - 1) / 2) * wide
                height = np.array([cell.accuracy for cell in cells])
                limits = np.array([[cell.low for cell in cells], [cell.high for cell in cells]])
                # Wilson's limits enclose the share; rounding to six digits may leave -1e-7 at 0 and 1.
                reach = np.clip(np.abs(limits - height), 0, None)
                axes.bar(centres, height, wide * 0.92, color=COLOURS[number % len(COLOURS)], label=heading(recipe))
                axes.errorbar(centres, height, reach, fmt="none", ecolor="#222222", elinewidth=0.8, capsize=1.2)
            axes.set_title(_TITLES[prompt_set], loc="left", fontsize=10)
            axes.set_ylim(0, 1.02)
            axes.set_ylabel("accuracy")
            axes.axvline(len(groups) - 1.5, color="#999999", linewidth=0.8)
            axes.set_xticks(range(len(groups)), [spoken(concept) for concept in groups], rotation=30, ha="right")
            axes.set_xlim(-0.55, len(groups) - 0.45)
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(len(recipes), 4), frameon=False
        )

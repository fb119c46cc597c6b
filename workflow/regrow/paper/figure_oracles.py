"""Fig. 2 of the paper: how far true signs, or true magnitudes, would revive a concept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regrow.paper.charts import chart, reach
from regrow.paper.recipes import heading, oracles, published_order
from regrow.paper.table1 import MEAN, Accuracy, pick
from regrow.paper.verdict import spoken

# A hue for each kind of knowledge, a shade for each recipe of it.
_BEFORE = ("#444444", "#aaaaaa")
_GUESSED = ("#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")
_SIGNS = ("#fdae6b", "#f16913", "#a63603")
_MAGNITUDES = ("#74c476", "#238b45")


def draw_oracles(lines: Sequence[Accuracy], recipes: Mapping[str, Mapping[str, Any]], path: Path, dpi: int) -> None:
    """Draw erased accuracy of the oracles beside pretrained, pruned and the revivers that guess signs; write a PNG.

    Parameters
    ----------
    lines : sequence of Accuracy
        Table 1.
    recipes : mapping
        Recipe name to its steps; an oracle says in ``signs`` whether it knows them.
    path : Path
        PNG to write.
    dpi : int
        Dots per inch.
    """
    colours = _colours(recipes)
    groups = [*dict.fromkeys(line.concept for line in lines if line.concept != MEAN), MEAN]
    wide = 0.84 / len(colours)
    with chart(path, max(7.0, (0.14 * len(colours) + 0.3) * len(groups)), 4.2, dpi) as figure:
        axes = figure.subplots()
        for number, (recipe, colour) in enumerate(colours.items()):
            cells = [pick(lines, concept, recipe) for concept in groups]
            centres = np.arange(len(groups)) + (number - (len(colours) - 1) / 2) * wide
            share = [cell.accuracy for cell in cells]
            length = reach(share, [cell.low for cell in cells], [cell.high for cell in cells])
            axes.bar(centres, share, wide * 0.92, color=colour, label=heading(recipe))
            axes.errorbar(centres, share, length, fmt="none", ecolor="#222222", elinewidth=0.8, capsize=1.2)
        axes.set_title("Erased concept: share of images in which the judge sees it", loc="left", fontsize=10)
        axes.set_ylim(0, 1.02)
        axes.set_ylabel("accuracy")
        axes.axvline(len(groups) - 1.5, color="#999999", linewidth=0.8)
        axes.set_xticks(range(len(groups)), [spoken(concept) for concept in groups])
        axes.set_xlim(-0.55, len(groups) - 0.45)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)


def _colours(recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return recipes in the order of what they know: nothing, guessed signs, true magnitudes, true signs."""
    known = oracles(recipes)
    signs = [name for name in known if recipes[name]["oracle"].get("signs") == "pretrained"]
    guessed = [name for name in published_order(recipes) if recipes[name].get("completer")]
    before = [name for name in published_order(recipes) if name not in known and not recipes[name].get("reviver")]
    families = (
        (before, _BEFORE),
        (guessed, _GUESSED),
        ([name for name in known if name not in signs], _MAGNITUDES),
        (signs, _SIGNS),
    )
    return {name: shades[number % len(shades)] for names, shades in families for number, name in enumerate(names)}

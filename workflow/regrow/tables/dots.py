"""Accuracies as dots: a line per model, a mark per concept, the mean with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.tables import style
from regrow.tables.pooling import is_pooled, pooled_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from regrow.tables.data import TableData


def draw_dots(table: pd.DataFrame, data: TableData) -> Figure:
    """Draw accuracies, a panel per prompt set; a model to which an attack does not apply has a line without a dot.

    Lines of models and not bars of concepts: thirteen models of twelve concepts are 156 bars, which no column holds.
    """
    models = list(dict.fromkeys(zip(table["role"], table["published"], table["attack"], strict=True)))
    prompt_sets = list(dict.fromkeys(table["prompt_set"]))
    concepts = [concept for concept in dict.fromkeys(table["concept"]) if not is_pooled(concept)]
    looks = style.looks(concepts)
    keys = -(-len(concepts) // 3)
    figure = style.figure(0.75 + 0.2 * len(models) + 0.13 * keys)
    panels = figure.subplots(1, len(prompt_sets), sharey=True, squeeze=False)[0]
    for axes, prompt_set in zip(panels, prompt_sets, strict=True):
        rows = table[table["prompt_set"] == prompt_set]
        _panel(axes, rows, models, looks)
        axes.set(xlim=(-0.04, 1.04), title=style.spoken(prompt_set), xlabel="accuracy")
    first = panels[0]
    first.set_yticks(range(len(models)), [data.label(*model) for model in models])
    first.set_ylim(len(models) - 0.5, -0.5)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, [style.spoken(label) for label in labels], loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, models: list[tuple[str, str, str]], looks: dict[str, style.Look]) -> None:
    place = {model: number for number, model in enumerate(models)}
    at = rows.assign(
        y=[place[model] for model in zip(rows["role"], rows["published"], rows["attack"], strict=True)]
    ).dropna(subset="accuracy")
    for concept, look in looks.items():
        here = at[at["concept"] == concept]
        # Spread a little, so that equal shares do not hide each other.
        shift = 0.5 * (list(looks).index(concept) / max(len(looks) - 1, 1) - 0.5)
        axes.plot(
            here["accuracy"],
            here["y"] + shift,
            linestyle="none",
            marker=look.marker,
            markersize=2.4,
            markeredgewidth=0,
            color=look.colour,
            label=concept,
        )
    pooled = at[pooled_rows(at)]
    for name, here in pooled.groupby("concept", sort=False):
        length = style.error_bars(here["accuracy"], here["low"], here["high"])
        axes.errorbar(
            here["accuracy"],
            here["y"],
            xerr=length,
            linestyle="none",
            marker="|",
            markersize=9,
            markeredgewidth=1.2,
            color=style.INK,
            elinewidth=0.8,
            capsize=0,
            label=f"{name}, interval",
        )
    for number in range(len(models) - 1):
        axes.axhline(number + 0.5, color="#dddddd", linewidth=0.4)

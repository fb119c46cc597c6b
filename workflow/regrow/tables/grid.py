"""Draw shares as a grid of numbers: a line per model, a field per method."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_grid(rows: pd.DataFrame, across: str, value: str, said: str, lowest: float = 0.5) -> Figure:
    """Return a figure of a pivoted frame.

    Parameters
    ----------
    rows : DataFrame
        With `model`, a line of the grid, and the columns `across` and `value`.
    across : str
        Column of the fields.
    value : str
        Column of the shares, in [0, 1]; what is missing is blank.
    said : str
        What the shares are.
    lowest : float
        Where colours begin; one half is chance for signs and for detectors.
    """
    from regrow.tables import style

    models, fields = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows[across]))
    figure = style.figure(1.1 + 0.17 * len(models))
    axes = figure.subplots()
    values = rows.pivot(index="model", columns=across, values=value).reindex(index=models, columns=fields)
    fill_grid(axes, values, lowest)
    label_grid(axes, models, [str(field) for field in fields])
    axes.set_title(said)
    return figure


def fill_grid(axes: Axes, values: pd.DataFrame, lowest: float = 0.5) -> None:
    """Colour the fields from `lowest` to 1 and write the numbers into them."""
    axes.imshow(values, cmap="cividis", vmin=lowest, vmax=1, aspect="auto")
    for y, line in enumerate(values.to_numpy()):
        for x, share in enumerate(line):
            if share == share:  # not NaN
                shade = "black" if share > (1 + lowest) / 2 else "white"
                axes.text(x, y, f"{share:.2f}".lstrip("0"), ha="center", va="center", fontsize=6, color=shade)


def label_grid(axes: Axes, models: Sequence[str], fields: Sequence[str]) -> None:
    """Name lines and fields."""
    axes.set_yticks(range(len(models)), models)
    axes.set_xticks(range(len(fields)), fields, rotation=50, ha="right")
    axes.tick_params(length=0)

"""Figure 7: how sure an attacker is that a small weight was filled in, by Eq. 7."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.selection import detectability_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 7: how sure a small weight was filled in"
CAPTION = (
    "Share p of modified weights among those within [-w, w], by Eq. 7, for a share alpha of modified weights that were "
    "filled with noise of standard deviation sigma_M. The paper states neither w nor the standard deviation sigma_U of "
    "the other weights: sigma_U here is the median over the layers of this audit's pruned models, and w stands above "
    "each panel. Above the dashed line (p = 1/2) a weight so small was sooner filled in than not; where p is near "
    "alpha or below, small weights tell nothing. The formula takes weights for Gaussian; ours/detectability measures."
)
SOURCE = "Roots Beneath the Cut, Figure 7"
REPORTED = None
COLUMNS = {
    "width": "w, half the interval",
    "std_unmodified": "sigma_U, of the weights that were not pruned",
    "alpha": "share of weights that was modified",
    "std_modified": "sigma_M, of the noise",
    "p": "share of modified weights within the interval",
}
WIDTHS = (1e-4, 1e-3, 1e-2)
ALPHAS = [round(0.01 * step, 2) for step in range(1, 31)]
STDS = [float(f"{10 ** (-6 + step / 5):.3g}") for step in range(26)]  # 1e-6 to 1e-1, the paper's range


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the spread of the weights of every published model that was pruned."""
    return detectability_needs(audit, "premise")


def build(data: TableData) -> pd.DataFrame:
    """Evaluate Eq. 7 on the grid."""
    import pandas as pd

    from regrow.evaluate.detectability import share_modified_normal
    from regrow.tables.intervals import rounded

    std = float(data.evaluation("premise")["std_observed"].median())
    rows = [
        (width, round(std, 6), alpha, modified, share_modified_normal(width, alpha, modified, std))
        for width in WIDTHS
        for alpha in ALPHAS
        for modified in STDS
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p"] = rounded(table["p"])
    return table


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw p over alpha and sigma_M, a panel per interval."""
    from regrow.tables import style

    figure = style.figure(2.2, style.PAGE)
    if table.empty:
        style.draw_empty(figure.subplots(), "no model was pruned in this audit")
        return figure
    panels = figure.subplots(1, len(WIDTHS), sharey=True)
    for axes, width in zip(panels, WIDTHS, strict=True):
        grid = table[table["width"] == width].pivot(index="alpha", columns="std_modified", values="p")
        drawn = axes.pcolormesh(grid.columns, grid.index, grid, cmap="cividis", vmin=0, vmax=1, shading="gouraud")
        axes.contour(grid.columns, grid.index, grid, levels=[0.5], colors="white", linestyles="--", linewidths=0.8)
        axes.set(xscale="log", xlabel="std of the noise, sigma_M", title=f"w = {width:g}")
    panels[0].set_ylabel("share modified, alpha")
    figure.colorbar(drawn, ax=panels, label="p, share modified within [-w, w]")
    return figure


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Say which sigma_U the figure stands on."""
    from regrow.tables.blocks import Text

    std = table["std_unmodified"].iloc[0] if len(table) else None
    return [Text(f"sigma_U = {std:g}, the median over layers and models of this audit.")] if std else []

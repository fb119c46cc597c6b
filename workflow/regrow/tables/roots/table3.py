"""Tables 3, 8, 9 and 10: how many recovered signs to retain, and which magnitude to give them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.accuracy import COLUMNS as ACCURACY
from regrow.tables.lines import each_line
from regrow.tables.selection import accuracy_needs, concept_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData
    from regrow.tables.style import Look

TITLE = "Tables 3, 8, 9 and 10: share of retained signs and their magnitudes"
CAPTION = (
    "Share of images of the erased concept in which the judge sees it, by the share K of the recovered signs that the "
    "attack retains and by the magnitude that it gives them, with Wilson intervals over the distinct images. Max is "
    "the paper's neuron-max scaling. The attacks differ in nothing else."
)
SOURCE = "Roots Beneath the Cut, Tables 3, 8, 9 and 10"
REPORTED = "table3.csv"
_KEYS = ("concept", "published", "attack")
COLUMNS = {
    **{name: ACCURACY[name] for name in _KEYS},
    "k": "share of the recovered signs that is retained, empty without an attack",
    "magnitude": "what a retained entry gets from its row, empty without an attack",
    **{name: said for name, said in ACCURACY.items() if name not in (*_KEYS, "role")},
}
_ACROSS = 4  # panels


def sweep(audit: Audit) -> dict[str, tuple[float, str]]:
    """Return the attacks that differ in K and magnitude alone, with both: the largest such group of the audit's."""
    groups: dict[str, dict[str, tuple[float, str]]] = {}
    for attack in audit.attacks:
        entry = audit.entry(attack)
        if entry["method"] == "roots" and entry["retain"] != "auto":
            others = {key: value for key, value in entry.items() if key not in ("retain", "magnitude")}
            group = groups.setdefault(json.dumps(others, sort_keys=True), {})
            group[attack] = (float(entry["retain"]), str(entry["magnitude"]))
    return max(groups.values(), key=len, default={})


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the attacks of the sweep, the published models and the pretrained one on the erased concept's prompts."""
    wanted = {*sweep(audit), "none"}
    return [need for need in accuracy_needs(audit, concept_sets(audit)) if _cell_attack(need) in wanted]


def _cell_attack(need: Need) -> str:
    from regrow.plan.audit import ScoreNeed

    assert isinstance(need, ScoreNeed)
    return need.cell.model.attack


def build(data: TableData) -> pd.DataFrame:
    """Count what the judges saw, the models without an attack first, then by magnitude and falling K."""
    from regrow.tables.pooling import MEAN, concept_order, in_order

    found = sweep(data.audit)
    table = data.accuracy(concept_sets(data.audit))
    table = table[table["attack"].isin([*found, "none"])].copy()
    table["k"] = [found[attack][0] if attack in found else float("nan") for attack in table["attack"]]
    table["magnitude"] = [found[attack][1] if attack in found else "" for attack in table["attack"]]
    magnitudes = list(dict.fromkeys(magnitude for _, magnitude in found.values()))
    attacks = sorted(found, key=lambda attack: (magnitudes.index(found[attack][1]), -found[attack][0]))
    order = {
        "concept": concept_order(data.kinds, MEAN),
        "published": ["none", *data.audit.listed_published],
        "prompt_set": concept_sets(data.audit),
        "attack": ["none", *attacks],
    }
    return in_order(table, **order)[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw accuracy by K, a panel per concept and a line per magnitude; below, the paper's for the same classes."""
    from regrow.tables import style
    from regrow.tables.pooling import pooled_rows

    ours = {style.spoken(str(name)): rows for name, rows in table[~pooled_rows(table)].groupby("concept", sort=False)}
    theirs = {f"reported ({word})": rows for word, rows in _reported(data).items()}
    across = min(_ACROSS, max(len(ours), 1))
    down = [-(-len(panels) // across) for panels in (ours, theirs)]
    figure = style.figure(0.45 + 1.5 * sum(down), style.PAGE)
    grid = list(figure.subplots(sum(down), across, sharey=True, squeeze=False).flat)
    lines = style.looks(label for rows in (*ours.values(), *theirs.values()) for label in _lines(rows, data))
    for first, panels in ((0, ours), (down[0] * across, theirs)):
        for axes, (title, rows) in zip(grid[first:], panels.items(), strict=False):
            axes.set(title=title, xlim=(0, 1.05), ylim=(-0.03, 1.03))
            _panel(axes, _lines(rows, data), lines)
            _levels(axes, rows)
        for unused in grid[first + len(panels) : first + -(-len(panels) // across) * across]:
            unused.set_axis_off()
    for number, axes in enumerate(grid):
        axes.set_ylabel("accuracy" if number % across == 0 else "")
        axes.set_xlabel("K, share of signs retained" if number + across >= min(down[0] * across, len(grid)) else "")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), 8)))
    return figure


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracy of every attack of the sweep; one that does not exist has no key."""
    from regrow.tables.pooling import pooled_rows

    pooled = table[pooled_rows(table)].dropna(subset=["accuracy", "k"])
    return {
        f"{row.prompt_set}_sweep_{row.published}_{row.magnitude}_{row.k:g}": row.accuracy for row in each_line(pooled)
    }


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a grid of K and magnitude per concept and, behind each, the paper's for the same class."""
    from regrow.tables.blocks import Grid, Text
    from regrow.tables.reported import differences

    blocks: list[Block] = []
    theirs = _reported(data)
    words = {concept: word for concept, word in _words(data).items() if word in theirs}
    for (concept, prompt_set), rows in table.groupby(["concept", "prompt_set"], sort=False):
        caption = f"This audit: {concept}, prompts '{prompt_set}'; {_baseline(rows)}."
        blocks.append(_grid(caption, rows, data))
        if str(concept) in words:
            blocks.append(_printed(theirs[words[str(concept)]]))
    reported = data.reported()
    rest = [] if reported is None else [w for w in dict.fromkeys(reported["concept"]) if w not in words.values()]
    blocks += [_printed(reported[reported["concept"] == word], fold=True) for word in rest if reported is not None]
    if reported is not None:
        blocks.append(Text(differences(data.audit, "roots", concept_sets(data.audit)[0])))
    return [block for block in blocks if not isinstance(block, Grid) or block.rows]


def _words(data: TableData) -> dict[str, str]:
    from regrow.tables.reported import same_classes

    return same_classes(data.audit, data.reported())


def _reported(data: TableData) -> dict[str, pd.DataFrame]:
    """Return the paper's rows of the classes that the audit has too, by the paper's word."""
    reported = data.reported()
    if reported is None:
        return {}
    return {word: reported[reported["concept"] == word] for word in _words(data).values()}


def _lines(rows: pd.DataFrame, data: TableData) -> dict[str, pd.DataFrame]:
    """Return the rows of each line of a panel by its label."""
    several = len(data.audit.listed_published) > 1
    swept = rows.dropna(subset=["k", "accuracy"])
    return {
        f"{magnitude} on {published}" if several else str(magnitude): line
        for (published, magnitude), line in swept.groupby(["published", "magnitude"], sort=False)
    }


def _panel(axes: Axes, lines: dict[str, pd.DataFrame], looks: dict[str, Look]) -> None:
    from regrow.tables.style import error_bars

    for label, line in lines.items():
        look = looks[label]
        bars = error_bars(line["accuracy"], line["low"], line["high"]) if "low" in line else None
        axes.errorbar(
            line["k"],
            line["accuracy"],
            bars,
            color=look.colour,
            marker=look.marker,
            linestyle=look.dash,
            linewidth=0.8,
            markersize=3,
            capsize=1.5,
            elinewidth=0.5,
            label=label,
        )


def _levels(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the accuracies without an attack as levels; the paper's rows have none."""
    from regrow.tables.style import GREY

    for row in each_line(rows[rows["attack"] == "none"]) if "attack" in rows else ():
        axes.axhline(row.accuracy, color=GREY, linewidth=0.6, linestyle=":")
        name = "pretrained" if row.published == "none" else row.published
        axes.annotate(name, (1.0, row.accuracy), xycoords=axes.get_yaxis_transform(), ha="right", va="bottom", size=5.5)


def _baseline(rows: pd.DataFrame) -> str:
    said = [
        f"{'pretrained' if row.published == 'none' else row.published} {round(100 * row.accuracy)} %"
        for row in each_line(rows[(rows["attack"] == "none") & rows["accuracy"].notna()])
    ]
    return ", ".join(said)


def _grid(caption: str, rows: pd.DataFrame, data: TableData) -> Block:
    from regrow.tables.blocks import Grid, accuracy_cell

    swept = rows.dropna(subset="k")
    several = len(data.audit.listed_published) > 1
    keys = list(dict.fromkeys(zip(swept["published"], swept["magnitude"], strict=True)))
    cells = {(row.published, row.magnitude, row.k): accuracy_cell(row, data) for row in each_line(swept)}
    lines = [(f"{k:g}", [cells.get((*key, k)) for key in keys]) for k in sorted(set(swept["k"]), reverse=True)]
    head = [f"{magnitude} on {published}" if several else str(magnitude) for published, magnitude in keys]
    return Grid(caption, "K", [name.replace("_", " ") for name in head], lines)


def _printed(rows: pd.DataFrame, fold: bool = False) -> Block:
    from regrow.tables.blocks import Grid

    words = list(dict.fromkeys(rows["model"]))
    cells = {(row.k, row.model): f"{100 * row.accuracy:.3g} %" for row in each_line(rows)}
    lines = [(f"{k:g}", [cells.get((k, word)) for word in words]) for k in dict.fromkeys(rows["k"])]
    caption = f"Reported: {rows['source'].iloc[0]}, {rows['concept'].iloc[0]}, as printed."
    return Grid(caption, "K", words, lines, reported=True, fold=fold)

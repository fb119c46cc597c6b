"""Figure 3: what each attack has in hand, drawn from the audit's own records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.methods import KNOWLEDGE
from regrow.tables.selection import every_record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 3: what passes the wall"
CAPTION = (
    "What each attack of this audit has: the published weights, always; a guess of what is missing, by exact zeros or "
    "by an inferred mask; a completion of it; and what it is told beyond that. The paper's attack is the row of "
    "roots_max: zeros, completion, signs, sizes."
)
SOURCE = "Roots Beneath the Cut, Figure 3"
REPORTED = None
_BEYOND = {word: word.replace("_", " ") for word in KNOWLEDGE if word != "nothing"}
COLUMNS = {
    "attack": "the attack",
    "method": "its method",
    "returns": "weights, model or prompts",
    "mask": "how it tells what is missing, empty where it does not ask",
    "completer": "what completes the missing entries, empty where nothing does",
    **{word: f"whether it is told or does this: {said}" for word, said in _BEYOND.items()},
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the record of every model."""
    return every_record(audit)


def build(data: TableData) -> pd.DataFrame:
    """List the attacks that some record tells of."""
    import pandas as pd

    lines = {}
    for (_, attack, _), record in data.records.items():
        if "attack" not in record:
            continue
        completer, told = record.get("completer"), data.audit.knowledge(attack)
        lines[attack] = (
            attack,
            record["attack"]["method"],
            data.audit.section_of(attack).removeprefix("attack_"),
            (completer.get("mask") or {"name": "zeros"})["name"] if completer else "",
            completer["name"] if completer else "",
            *(word in told for word in _BEYOND),
        )
    ordered = [lines[attack] for attack in data.audit.attacks if attack in lines]
    return pd.DataFrame(ordered, columns=list(COLUMNS))


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a line per attack and a mark under everything that it has; the wall stands left of what it is told."""
    from regrow.tables import style

    del data
    heads = ["published weights", "mask", "completion", *_BEYOND.values()]
    figure = style.figure(1.0 + 0.17 * max(len(table), 1))
    axes = figure.subplots()
    if table.empty:
        style.draw_empty(axes, "no attack in this audit")
        return figure
    marks = {
        "published weights": [True] * len(table),
        "mask": (table["mask"].fillna("") != "").tolist(),
        "completion": (table["completer"].fillna("") != "").tolist(),
        **{said: table[word].astype(bool).tolist() for word, said in _BEYOND.items()},
    }
    for x, head in enumerate(heads):
        there = [y for y, mark in enumerate(marks[head]) if mark]
        axes.plot([x] * len(there), there, linestyle="none", marker="o", markersize=4, color=style.BLUE)
    axes.axvline(2.5, color=style.ORANGE, linewidth=1.2)
    axes.text(2.5, -0.8, " told beyond the file", color=style.ORANGE, ha="left", va="bottom", fontsize=6)
    axes.set_xticks(range(len(heads)), heads, rotation=30, ha="right")
    axes.set_yticks(range(len(table)), [style.spoken(name) for name in table["attack"]])
    axes.set(xlim=(-0.5, len(heads) - 0.5), ylim=(len(table) - 0.5, -1.2))
    axes.grid(visible=True, color="#e5e5e5", linewidth=0.4)
    axes.set_axisbelow(True)
    return figure

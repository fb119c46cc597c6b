"""Figure 1: what becomes of the model, from the base to the tables, drawn from the audit's own records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import every_record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.data import FigureData, TableData

TITLE = "Figure 1: who does what to the model"
CAPTION = (
    "The steps of this audit: the publisher's on the left, the attacker's on the right, the audit's own below. Only "
    "the published model passes the wall. An oracle is told what the base model holds, which no attacker has."
)
SOURCE = "Roots Beneath the Cut, Figure 1"
REPORTED = None
COLUMNS = {
    "step": "the stage",
    "side": "publisher, attacker, audit",
    "models": "files that it makes, over all concepts; empty for images and tables",
    "entries": "what it runs, by name",
    "after": "the steps before it",
}
_SIDES = {"publisher": 0.0, "attacker": 2.0, "audit": 1.0}
_WIDTH, _HEIGHT = 1.5, 0.62


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the record of every model."""
    return every_record(audit)


def also_reads(audit: Audit) -> object:
    """Return what it shows of the audit beside what it asks for."""
    return audit.tables, _judges(audit)


def build(data: TableData) -> pd.DataFrame:
    """List the steps that some record tells of."""
    import pandas as pd

    audit = data.audit
    made: dict[str, dict[tuple[str, ...], None]] = {}
    for (published, attack, concept), record in data.records.items():
        if attack == "none":
            made.setdefault("erase_concept", {})[record["eraser"]["name"], concept] = None
            if record["defence"]:
                made.setdefault("defend_model", {})[record["eraser"]["name"], record["defence"]["name"], concept] = None
            made.setdefault("publish_model", {})[published, concept] = None
            continue
        if record.get("completer"):
            made.setdefault("complete_weights", {})[published, record["completer"]["name"], concept] = None
        made.setdefault(audit.section_of(attack), {})[published, attack, concept] = None
    attacks = [step for step in made if step.startswith("attack_")]
    models = [step for step in ("publish_model", *attacks, "apply_oracle") if step in made]
    before = {
        "erase_concept": ["base model"],
        "defend_model": ["erase_concept"],
        "publish_model": ["defend_model", "erase_concept"] if "defend_model" in made else ["erase_concept"],
        "complete_weights": ["publish_model"],
        **{step: ["publish_model", "complete_weights"] for step in attacks},
        "apply_oracle": ["base model", "publish_model"],
    }
    sides = {"complete_weights": "attacker", "apply_oracle": "audit", **dict.fromkeys(attacks, "attacker")}
    lines: list[tuple[str, str, int | None, str, str]] = [("base model", "publisher", 1, audit.world_name, "")]
    for step, after in before.items():
        if step in made:
            names = dict.fromkeys(address[-2] for address in made[step])
            there = [name for name in after if name in (*made, "base model")]
            lines.append((step, sides.get(step, "publisher"), len(made[step]), " ".join(names), " ".join(there)))
    lines.append(("generate_images", "audit", None, " ".join(audit.prompt_sets), " ".join(models)))
    lines.append(("score_images", "audit", None, " ".join(_judges(audit)), "generate_images"))
    lines.append(("make_table", "audit", None, " ".join(audit.tables), "score_images"))
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype({"models": "Int64"})


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw a box per step and an arrow from each to the next, the wall between publisher and attacker."""
    from regrow.tables import style

    del data
    rows = list(each_line(table))
    top = max(sum(row.side == side for row in rows) for side in ("publisher", "attacker"))
    places: dict[str, tuple[float, float]] = {}
    for side, x in _SIDES.items():
        own = [row for row in rows if row.side == side]
        first = 0 if side == "publisher" else top if side == "audit" else top - len(own)
        places |= {row.step: (x, -float(first + number)) for number, row in enumerate(own)}
    figure = style.figure(0.3 + 0.46 * (1 - min(y for _, y in places.values())), style.COLUMN)
    axes = figure.subplots()
    axes.set(xlim=(-0.85, 2.85), ylim=(min(y for _, y in places.values()) - 0.5, 0.75))
    axes.set_axis_off()
    axes.plot([1, 1], [0.6, 0.6 - top], color=style.ORANGE, linewidth=1.5)
    axes.text(1, 0.62, "the wall", color=style.ORANGE, ha="center", va="bottom", fontsize=7)
    for name, x in list(_SIDES.items())[:2]:
        axes.text(x, 0.62, name, ha="center", va="bottom", fontsize=7, color=style.GREY)
    for row in rows:
        for before in [name for name in places if name in _steps(row.after)]:
            _arrow(axes, places[before], places[row.step])
    for row in rows:
        _box(axes, places[row.step], row)
    return figure


def _judges(audit: Audit) -> list[str]:
    return list(dict.fromkeys(judge for settings in audit.prompt_sets.values() for judge in settings.judges))


def _steps(text: object) -> set[str]:
    """Return the steps of a cell; the base model alone has a blank in its name."""
    words = str(text)
    return {*words.replace("base model", "").split(), *(["base model"] if "base model" in words else [])}


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    from regrow.tables.style import GREY

    (x, y), (to_x, to_y) = start, end
    side = (to_x > x) - (to_x < x)
    tail = (x + side * _WIDTH / 2, y) if side else (x, y - _HEIGHT / 2)
    below = not side or to_y < y
    head = (to_x, to_y + _HEIGHT / 2) if below else (to_x - side * _WIDTH / 2, to_y)
    shape = {"arrowstyle": "-|>", "color": GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=head, xytext=tail, arrowprops=shape, zorder=1)


def _box(axes: Axes, place: tuple[float, float], row: object) -> None:
    from matplotlib.patches import Rectangle

    from regrow.tables.style import INK

    x, y = place
    corner = (x - _WIDTH / 2, y - _HEIGHT / 2)
    axes.add_patch(Rectangle(corner, _WIDTH, _HEIGHT, facecolor="white", edgecolor=INK, linewidth=0.7, zorder=2))
    names = str(row.entries).split()  # type: ignore[attr-defined]
    said = ", ".join(names) if len(", ".join(names)) <= 26 else f"{len(names)} of them"
    axes.text(x, y + 0.13, row.step, ha="center", va="center", fontsize=6.5, zorder=3)  # type: ignore[attr-defined]
    axes.text(x, y - 0.15, said, ha="center", va="center", fontsize=5.5, color="#555555", zorder=3)

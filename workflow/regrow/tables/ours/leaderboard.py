"""The seven rows of a public leaderboard that name Roots Beneath the Cut, and this audit's number for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from regrow.tables.lines import each_line
from regrow.tables.roots import table2, table7
from regrow.tables.selection import NUDITY, STYLES, accuracy_needs, judge_of, labelled_sets

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "Leaderboard"
CAPTION = (
    "What a public leaderboard prints of the paper's attack, and the same number of this audit: for the class that is "
    "named where it is audited, else the mean over the audited concepts of its kind; by the prompts of the paper where "
    "they are counted, else by those that ask for the same. A blank says why it is one. The leaderboard's numbers of "
    "nudity are of attacks that retain different shares of the signs, and it does not say so: 'of what' does."
)
SOURCE = "Leaderboard of Roots Beneath the Cut"
REPORTED = "leaderboard.csv"
COLUMNS = {
    "task": "the leaderboard's word",
    "dataset": "the leaderboard's word",
    "metric": "the leaderboard's word",
    "printed": "what it prints",
    "concept": "ours: what was erased; 'mean' pools the audited concepts of that kind",
    "published": "ours: the published model",
    "attack": "ours: the attack",
    "prompt_set": "ours: what was asked for",
    "n": "ours: images",
    "value": "ours, in the leaderboard's unit",
    "low": "lower limit of its interval",
    "high": "upper limit",
    "unit": "of both",
    "reason": "why there is no number of ours",
}
# Kind of a row: kinds of concepts, labels of a prompt set, the column of a judge, and what an audit lacks without it.
_KINDS: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "style": (STYLES, "concept", "similarity", "style"),
    "fidelity": (STYLES, "none", "similarity", "style"),
    "erased": (("object",), "concept", "top1", "object"),
    "preserved": (("object",), "others", "top1", "object"),
    "nudity": ((NUDITY,), "none", "detections", "nudity"),
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for what Tables 1, 2 and 7 ask for, as far as the audit has concepts of their kinds."""
    found: list[Need] = []
    if sets := _accuracy_sets(audit):
        found += accuracy_needs(audit, sets)
    return [*found, *table2.needs(audit), *table7.needs(audit)]


def build(data: TableData) -> pd.DataFrame:
    """Look every row up in the table that holds its number."""
    import pandas as pd

    reported = data.reported()
    assert reported is not None
    made = _tables(data)
    lines = []
    for row in each_line(reported):
        ours = _ours(data, row, made.get(_KINDS[row.kind][2]))
        lines.append({name: getattr(row, name) for name in ("task", "dataset", "metric", "printed", "unit")} | ours)
    table = pd.DataFrame(lines).reindex(columns=list(COLUMNS))
    return table.astype({"n": "Int64", **dict.fromkeys(("value", "low", "high"), "float64")})


def _accuracy_sets(audit: Audit) -> list[str]:
    """Return the prompt sets with labels whose judges tell objects."""
    objects = [concept for concept, kind in audit.kinds.items() if kind == "object"]
    return [
        name
        for name in labelled_sets(audit)
        if objects and all(judge_of(audit, name, concept, "top1") for concept in audit.concepts)
    ]


def _tables(data: TableData) -> dict[str, pd.DataFrame]:
    """Return, by the judge's column, tables with value, low and high in the leaderboard's units."""
    audit, found = data.audit, {}
    if sets := _accuracy_sets(audit):
        table = data.accuracy(sets)
        found["top1"] = table.assign(value=100 * table["accuracy"], low=100 * table["low"], high=100 * table["high"])
    if list(table2.needs(audit)):
        table = table2.build(data)
        ends = {"value": "similarity", "low": "similarity_low", "high": "similarity_high"}
        found["similarity"] = table.assign(**{name: 100 * table[column] for name, column in ends.items()})
    if list(table7.needs(audit)):
        table = table7.build(data)
        first = table["protocol"] == table["protocol"].iloc[0]  # the first detector, counted as in the paper
        found["detections"] = table[first].assign(
            value=table["images"].astype("Float64"), concept=_concept(data, (NUDITY,))
        )
    return found


def _ours(data: TableData, row: Any, table: pd.DataFrame | None) -> dict[str, Any]:
    """Return this audit's side of a row: an address and a number, or the reason why there is none."""
    kinds, labels, column, word = _KINDS[row.kind]
    audit = data.audit
    own = [concept for concept, kind in data.kinds.items() if kind in kinds]
    if not own:
        return {"reason": f"no concept of kind {word} is erased in this audit"}
    if row.prompt_set in audit.unmade["prompt_sets"]:
        return {"reason": audit.unmade["prompt_sets"][row.prompt_set]}
    able = [
        name
        for name, settings in audit.prompt_sets.items()
        if settings.labels == labels and judge_of(audit, name, own[0], column)
    ]
    if row.kind == "nudity":  # three lists of their own, none of which stands in for another
        able = [name for name in able if name == row.prompt_set]
    if not able or table is None:
        return {"reason": "this audit counts no such prompts"}
    prompt_set = row.prompt_set if row.prompt_set in able else able[0]
    concept = _concept(data, kinds, row.concept)
    model = {"published": row.published, "attack": row.attack}
    if row.published not in audit.listed_published or row.attack not in audit.listed_attacks:
        return {**model, "reason": f"this audit does not run {row.attack} on {row.published}"}
    at = (
        (table["concept"] == concept)
        & (table["published"] == row.published)
        & (table["attack"] == row.attack)
        & (table["prompt_set"] == prompt_set)
    )
    address = {"concept": concept, **model, "prompt_set": prompt_set}
    there = table[at].dropna(subset="n")
    if not len(there):
        return {**address, "reason": data.reason(row.published, row.attack)}
    return {**address, **{name: there.iloc[0][name] for name in ("n", "value", "low", "high")}}


def _concept(data: TableData, kinds: Sequence[str], wanted: str = "") -> str:
    """Return the concept that is wanted where it is audited, else the only one of its kind, else their pooled name."""
    from regrow.tables.pooling import MEAN, pooled_names

    own = [concept for concept, kind in data.kinds.items() if kind in kinds]
    if wanted in own or len(own) == 1:
        return wanted if wanted in own else own[0]
    return pooled_names(data.kinds, MEAN)[data.kinds[own[0]]]


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a line per row: what is printed, ours, and of what ours is."""
    from regrow.tables.blocks import Blank, Grid
    from regrow.tables.style import spoken

    lines: list[tuple[str, list[Any]]] = []
    for row in each_line(table):
        if row.value == row.value:
            span = "" if row.low != row.low else f" ({row.low:.3g} to {row.high:.3g})"
            ours: Any = f"{row.value:.4g}{span}"
            of = f"{row.concept}, {spoken(row.attack)}, prompts '{row.prompt_set}', {row.n} images"
        else:
            ours, of = Blank(row.reason), ""
        lines.append((f"{row.task}: {row.dataset}, {row.metric}", [f"{row.printed:g}", ours, row.unit, of]))
    head = ["printed there", "this audit", "unit", "of what"]
    return [Grid("The leaderboard's rows and this audit's.", "Row", head, lines)]

"""Table 7: images of nudity and what a detector finds on them, by each detector and each way to count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.tables.lines import each_line
from regrow.tables.models import PUBLISHED
from regrow.tables.selection import NUDITY, detector_needs

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "Table 7: images on which a detector finds nudity"
CAPTION = (
    "Of the images of every model, those on which a detector finds something that counts, and how many such things "
    "it finds. Detectors and ways to count are those of papers, and their numbers differ several times over for the "
    "same images: only numbers of one protocol compare. Prompts that name or imply minors, or name people, were taken "
    "out before anything was drawn, so counts are of fewer prompts than the papers'."
)
SOURCE = "Roots Beneath the Cut, Table 7"
REPORTED = "table7.csv"
COLUMNS = {
    "published": PUBLISHED,
    "attack": "the attack, none without",
    "k": "share of the recovered signs that the attack retains, empty where it has none",
    "prompt_set": "what was asked for",
    "n": "images; empty where the attack does not apply to the published model",
    "n_screened": "prompts that the audit counts and the screen took out",
    "images": "images with something that counts",
    "detections": "things that count on all of them",
    "protocol": "the judge, then how it is counted: labels, threshold, and which of the two numbers the paper prints",
    "low": "lower limit of the number of images: n times that of the Wilson interval over the distinct images",
    "high": "upper limit",
}
_KEYS = ["published", "attack", "prompt_set"]


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for what every detector says of every model of nudity.

    Raises
    ------
    UserError
        Two concepts of that kind, whose models would share a line.
    """
    found = detector_needs(audit)
    concepts = _concepts(audit)
    if found and len(concepts) > 1:
        raise UserError(
            f"lines of Table 7 do not name the concept, and {' and '.join(concepts)} are both of kind nudity: select "
            "one of them for it, or give each an audit of its own"
        )
    return found


def _concepts(audit: Audit) -> list[str]:
    return [concept for concept, kind in audit.kinds.items() if kind == NUDITY]


def build(data: TableData) -> pd.DataFrame:
    """Count by every protocol."""
    import pandas as pd

    from regrow.judge._nudity import COUNTING_RULES
    from regrow.plan.needs import ScoreNeed
    from regrow.tables.models import model_order, set_apart
    from regrow.tables.pooling import in_order

    audit = data.audit
    asked = [need for need in needs(audit) if isinstance(need, ScoreNeed)]
    parts = []
    for prompt_set, judge in dict.fromkeys((need.cell.prompt_set, need.judge) for need in asked):
        rows = set_apart(data.scores(judge))
        rows = rows[(rows["prompt_set"] == prompt_set) & rows["concept"].isin(_concepts(audit))]
        for name, rule in COUNTING_RULES.items():
            counted = _counted(rows, name, data.level).assign(protocol=f"{judge}, {name}: {rule}")
            parts.append(counted.assign(n_screened=audit.counts[prompt_set] - counted["n"]))
    table = pd.concat(parts, ignore_index=True)
    protocols = list(dict.fromkeys(table["protocol"]))
    table = pd.concat([table, _blanks(data, table)], ignore_index=True).reindex(columns=list(COLUMNS))
    table["k"] = [_retained(audit, attack) for attack in table["attack"]]
    table = table.astype(dict.fromkeys(["n", "n_screened", "images", "detections"], "Int64"))
    table["model"] = list(zip(table["published"], table["attack"], strict=True))
    order = {"prompt_set": list(audit.prompt_sets), "protocol": protocols, "model": model_order(data)}
    return in_order(table, **order)[list(COLUMNS)]


def _counted(rows: pd.DataFrame, rule: str, level: float) -> pd.DataFrame:
    """Return a line per model: images, those that count, and detections that count."""
    from regrow.judge._nudity import COUNTING_RULES, read_detection
    from regrow.tables.intervals import rounded, wilson

    counts = [COUNTING_RULES[rule].count(map(read_detection, found)) for found in rows["detections"]]
    rows = rows.assign(counted=counts, shown=[count > 0 for count in counts])
    distinct = rows.drop_duplicates([*_KEYS, "concept", "prompt", "seed"]).groupby(_KEYS, sort=False)["shown"]
    cells = rows.groupby(_KEYS, sort=False)
    table = cells.agg(n=("shown", "size"), images=("shown", "sum"), detections=("counted", "sum"))
    low, high = wilson(distinct.sum(), distinct.size(), level)
    table["low"], table["high"] = rounded(table["n"] * low), rounded(table["n"] * high)
    return table.reset_index()


def _retained(audit: Audit, attack: str) -> float | None:
    retain = None if attack == "none" or attack not in audit.attacks else audit.entry(attack).get("retain")
    return float(retain) if isinstance(retain, int | float) else None


def _blanks(data: TableData, table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from regrow.tables.models import blank_models

    kinds = table[["prompt_set", "protocol"]].drop_duplicates()
    rows = [(*model, *kind) for model in blank_models(data) for kind in kinds.itertuples(index=False)]
    return pd.DataFrame(rows, columns=["published", "attack", "prompt_set", "protocol"])


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a grid per protocol, the paper's own first, and what the paper prints."""
    import pandas as pd

    from regrow.tables.blocks import Blank, Grid
    from regrow.tables.models import name_of

    blocks: list[Block] = []
    for number, (protocol, rows) in enumerate(table.groupby("protocol", sort=False)):
        sets = list(dict.fromkeys(rows["prompt_set"]))
        cells = {}
        for row in each_line(rows):
            blank = Blank(data.reason(row.published, row.attack)) if pd.isna(row.n) else None
            said = f"{row.images} ({row.low:.0f} to {row.high:.0f}), {row.detections} boxes" if blank is None else blank
            cells[row.published, row.attack, row.prompt_set] = said
        models = list(dict.fromkeys(zip(rows["published"], rows["attack"], strict=True)))
        lines = [(name_of(data, *model), [cells.get((*model, one)) for one in sets]) for model in models]
        head = [_head(rows[rows["prompt_set"] == one]) for one in sets]
        blocks.append(Grid(f"This audit: images, by {protocol}.", "Model", head, lines, fold=number > 0))
    return [*blocks, *_reported(data)] if blocks else []


def _head(rows: pd.DataFrame) -> str:
    there = rows.dropna(subset="n")
    n, dropped = int(there["n"].max()), int(there["n_screened"].max())
    return f"{rows['prompt_set'].iloc[0]}: {n} images, {dropped} prompts not drawn"


def _reported(data: TableData) -> list[Block]:
    from regrow.tables.blocks import Grid, Text
    from regrow.tables.reported import differences

    reported = data.reported()
    if reported is None:
        return []
    sets = list(dict.fromkeys(zip(reported["prompt_set"], reported["n"], strict=True)))
    cells = {(row.model, row.prompt_set): str(row.images) for row in each_line(reported)}
    lines = [(word, [cells.get((word, one)) for one, _ in sets]) for word in dict.fromkeys(reported["model"])]
    head = [f"{one}: {n} images" for one, n in sets]
    caption = f"Reported: {reported['source'].iloc[0]}, images, as printed."
    return [Grid(caption, "Model", head, lines, reported=True), Text(differences(data.audit, "roots"))]

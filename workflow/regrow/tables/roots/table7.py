"""Table 7: images of nudity and what a detector finds on them, by each detector and each way to count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import NUDITY, nudity_cells

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
    "published": "the published model, none for the pretrained one",
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
    """Ask for what every detector says of every model of nudity."""
    from regrow.plan.audit import ScoreNeed

    for prompt_set in audit.prompt_sets:
        for cell in nudity_cells(audit, prompt_set):
            for judge in _detectors(audit, prompt_set, cell.concept):
                yield ScoreNeed(cell, judge)


def _detectors(audit: Audit, prompt_set: str, concept: str) -> list[str]:
    return [one for one in audit.judges(prompt_set, concept) if "detections" in audit.judge_columns(one)]


def build(data: TableData) -> pd.DataFrame:
    """Count by every protocol."""
    import pandas as pd

    from regrow.judge._nudity import COUNTING_RULES
    from regrow.tables.pooling import in_order

    audit = data.audit
    concepts = [concept for concept, kind in audit.kinds.items() if kind == NUDITY]
    parts = []
    for prompt_set in audit.prompt_sets:
        judges = dict.fromkeys(
            judge for cell in nudity_cells(audit, prompt_set) for judge in _detectors(audit, prompt_set, cell.concept)
        )
        for judge in judges:
            rows = data.scores(judge)
            rows = rows[(rows["prompt_set"] == prompt_set) & rows["concept"].isin(concepts)]
            for name, rule in COUNTING_RULES.items():
                counted = _counted(rows, name, data.level).assign(protocol=f"{judge}, {name}: {rule}")
                parts.append(counted.assign(n_screened=audit.counts[prompt_set] - counted["n"]))
    table = pd.concat(parts, ignore_index=True)
    protocols = list(dict.fromkeys(table["protocol"]))
    table = pd.concat([table, _blanks(data, table)], ignore_index=True).reindex(columns=list(COLUMNS))
    table["k"] = [_retained(audit, attack) for attack in table["attack"]]
    table = table.astype(dict.fromkeys(["n", "n_screened", "images", "detections"], "Int64"))
    table["model"] = list(zip(table["published"], table["attack"], strict=True))
    models = list(dict.fromkeys(model[1:] for model in data.models))
    order = {"prompt_set": list(audit.prompt_sets), "protocol": protocols, "model": models}
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

    models = [model for role, *model in data.audit.blanks() if role != "oracle"]
    kinds = table[["prompt_set", "protocol"]].drop_duplicates()
    rows = [(*model, *kind) for model in models for kind in kinds.itertuples(index=False)]
    return pd.DataFrame(rows, columns=["published", "attack", "prompt_set", "protocol"])


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a grid per protocol, the paper's own first, and what the paper prints."""
    import pandas as pd

    from regrow.tables.blocks import Blank, Grid
    from regrow.tables.style import spoken

    blocks: list[Block] = []
    for number, (protocol, rows) in enumerate(table.groupby("protocol", sort=False)):
        sets = list(dict.fromkeys(rows["prompt_set"]))
        cells = {}
        for row in each_line(rows):
            blank = Blank(data.reason(row.published, row.attack)) if pd.isna(row.n) else None
            said = f"{row.images} ({row.low:.0f} to {row.high:.0f}), {row.detections} boxes" if blank is None else blank
            cells[row.published, row.attack, row.prompt_set] = said
        models = list(dict.fromkeys(zip(rows["published"], rows["attack"], strict=True)))
        lines = [(spoken(_label(data, *model)), [cells.get((*model, one)) for one in sets]) for model in models]
        head = [_head(rows[rows["prompt_set"] == one]) for one in sets]
        blocks.append(Grid(f"This audit: images, by {protocol}.", "Model", head, lines, fold=number > 0))
    return [*blocks, *_reported(data)] if blocks else []


def _label(data: TableData, published: str, attack: str) -> str:
    role = "pretrained" if published == "none" else "erased" if attack == "none" else "attacked"
    return data.label(role, published, attack)


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

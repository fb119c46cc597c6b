"""What a detector finds on images of models of nudity, label by label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.models import PUBLISHED
from regrow.tables.selection import detector_needs, nudity_cells

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "Detections by label"
CAPTION = (
    "How many things of each kind a detector finds on all images of a model, by the ways to count of papers whose unit "
    "is the detection. An image may show several of one label. Numbers of one protocol compare, and only for the same "
    "prompts: those that name or imply minors, or name people, were not drawn."
)
SOURCE = "Pruning for Robust Concept Erasing, Table 2"
REPORTED = "detections.csv"
COLUMNS = {
    "concept": "what was erased; any for the pretrained model",
    "published": PUBLISHED,
    "attack": "the attack, none without",
    "prompt_set": "what was asked for",
    "protocol": "the judge, then how it is counted: labels, threshold, unit",
    "label": "what is seen; 'total' is of all labels that count",
    "n": "images; empty where the attack does not apply to the published model",
    "detections": "things of this label on all of them",
}
TOTAL = "total"
_KEYS = ["concept", "published", "attack", "prompt_set"]


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for what every detector says of every model of nudity."""
    return detector_needs(audit)


def build(data: TableData) -> pd.DataFrame:
    """Count by every protocol whose unit is the detection."""
    import pandas as pd

    from regrow.judge._nudity import COUNTING_RULES
    from regrow.plan.needs import ScoreNeed
    from regrow.tables.models import model_order, set_apart
    from regrow.tables.pooling import in_order

    audit = data.audit
    asked = [need for need in needs(audit) if isinstance(need, ScoreNeed)]
    parts = []
    for prompt_set, judge in dict.fromkeys((need.cell.prompt_set, need.judge) for need in asked):
        rows = _once(
            set_apart(data.scores(judge)), prompt_set, {cell.concept for cell in nudity_cells(audit, prompt_set)}
        )
        for name, rule in COUNTING_RULES.items():
            if rule.unit == "detections":
                parts.append(_counted(rows, name).assign(protocol=f"{judge}, {name}: {rule}"))
    table = pd.concat(parts, ignore_index=True)
    table = pd.concat([table, _blanks(data, table)], ignore_index=True).reindex(columns=list(COLUMNS))
    table = table.astype({"n": "Int64", "detections": "Int64"})
    table["model"] = list(zip(table["published"], table["attack"], strict=True))
    order = {"prompt_set": list(audit.prompt_sets), "protocol": list(dict.fromkeys(table["protocol"]))}
    order |= {"concept": ["any", *audit.concepts], "model": model_order(data)}
    return in_order(table, **order)[list(COLUMNS)]


def _once(rows: pd.DataFrame, prompt_set: str, concepts: set[str]) -> pd.DataFrame:
    """Return the rows of a prompt set, those of the pretrained model once: they stand under each concept."""
    rows = rows.assign(concept=rows["concept"].mask(rows["role"] == "pretrained", "any"))
    rows = rows[(rows["prompt_set"] == prompt_set) & rows["concept"].isin({"any", *concepts})]
    return rows.drop_duplicates([*_KEYS, "case"])


def _counted(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Return a line per model and label, and their sum."""
    import pandas as pd

    from regrow.judge._nudity import COUNTING_RULES, LABEL_SETS, read_detection

    counts = COUNTING_RULES[rule]
    labels = LABEL_SETS[counts.labels]
    lines = []
    for address, cell in rows.groupby(_KEYS, sort=False):
        found = [one for texts in cell["detections"] for one in map(read_detection, texts) if counts.count([one])]
        numbers = {label: sum(one.label == label for one in found) for label in labels} | {TOTAL: len(found)}
        lines += [(*address, label, len(cell), number) for label, number in numbers.items()]
    return pd.DataFrame(lines, columns=[*_KEYS, "label", "n", "detections"])


def _blanks(data: TableData, table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from regrow.tables.models import blank_models

    models = blank_models(data)
    concepts = [concept for concept in dict.fromkeys(table["concept"]) if concept != "any"]
    kinds = table[["prompt_set", "protocol", "label"]].drop_duplicates()
    lines = [
        (concept, *model, *kind) for concept in concepts for model in models for kind in kinds.itertuples(index=False)
    ]
    return pd.DataFrame(lines, columns=["concept", "published", "attack", "prompt_set", "protocol", "label"])


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a grid per protocol and prompt set, and what the paper prints."""
    import pandas as pd

    from regrow.tables.blocks import Blank, Grid
    from regrow.tables.style import spoken

    blocks: list[Block] = []
    for number, ((prompt_set, protocol), rows) in enumerate(table.groupby(["prompt_set", "protocol"], sort=False)):
        labels = list(dict.fromkeys(rows["label"]))
        cells = {}
        for row in each_line(rows):
            missing = pd.isna(row.n)
            said = Blank(data.reason(row.published, row.attack)) if missing else str(row.detections)
            cells[row.concept, row.published, row.attack, row.label] = said
        models = list(dict.fromkeys(zip(rows["concept"], rows["published"], rows["attack"], strict=True)))
        lines = [(_spoken(data, *model), [cells.get((*model, label)) for label in labels]) for model in models]
        caption = (
            f"This audit: detections on {rows['n'].max()} images per model, prompts '{prompt_set}', by {protocol}."
        )
        blocks.append(Grid(caption, "Model", [spoken(label.lower()) for label in labels], lines, fold=number > 0))
    return [*blocks, *_reported(data)] if blocks else []


def _spoken(data: TableData, concept: str, published: str, attack: str) -> str:
    from regrow.tables.models import name_of

    of = "" if concept == "any" or len(data.audit.concepts) == 1 else f" ({concept})"
    return name_of(data, published, attack) + of


def _reported(data: TableData) -> list[Block]:
    from regrow.tables.blocks import Grid, Text
    from regrow.tables.style import spoken

    reported = data.reported()
    if reported is None:
        return []
    cells = {(row.model, row.label): str(row.detections) for row in each_line(reported)}
    labels = list(dict.fromkeys(reported["label"]))
    lines = [(word, [cells.get((word, label)) for label in labels]) for word in dict.fromkeys(reported["model"])]
    caption = f"Reported: {reported['source'].iloc[0]}, {reported['n'].iloc[0]} images per model, as printed."
    head = [spoken(label.lower()) for label in labels]
    note = (
        "The paper's are of Stable Diffusion 1.4 and erasers that train, on all 4,703 prompts of I2P, by labels of "
        "NudeNet 2, whose threshold it does not state; the names here are those of NudeNet 3 for the same."
    )
    return [Grid(caption, "Model", head, lines, reported=True), Text(note)]

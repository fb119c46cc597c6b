"""Which share of the completed signs each attack retained: what it was told, what it chose, what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.selection import accuracy_needs, concept_sets, retained_needs

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "How many of the guessed signs were retained"
CAPTION = (
    "The paper's attack retains a fixed share K of the completed signs; 'auto' chooses it per layer from how sure the "
    "guesses are, without knowing the answer."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    "concept": "what was erased",
    "published": "the published model",
    "attack": "the attack",
    "prompt_set": "what was asked for",
    "retain": "the share K that was asked for, or auto",
    "retained": "the share that was retained in this model",
    "accuracy": "share of images in which the judge sees the concept",
    "low": "lower limit of its Wilson interval",
    "high": "upper limit",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the records of the attacked models, and their scores on the prompts of the erased concept."""
    return [*retained_needs(audit), *accuracy_needs(audit, concept_sets(audit))]


def build(data: TableData) -> pd.DataFrame:
    """Join what a model's record says with its accuracy; a model whose record tells no share has no line."""
    import pandas as pd

    rows = [
        {
            "concept": concept,
            "published": published,
            "attack": attack,
            "retain": str(record["attack"].get("retain", "")),
            "retained": round(record["retained"]["all"], 6),
        }
        for (published, attack, concept), record in data.records.items()
        if record.get("retained")
    ]
    told = pd.DataFrame(rows, columns=["concept", "published", "attack", "retain", "retained"])
    accuracies = data.accuracy(concept_sets(data.audit))
    attacked = accuracies[accuracies["role"] == "attacked"]
    return attacked.merge(told, on=["concept", "published", "attack"])[list(COLUMNS)]


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every attack: the share asked for, and the shares retained over the concepts."""
    from regrow.tables.blocks import Grid, Share

    lines = [
        (
            data.label("attacked", str(published), str(attack)),
            [
                rows["retain"].iloc[0],
                Share(rows["retained"].mean(), rows["retained"].min(), rows["retained"].max()),
                Share(rows["accuracy"].mean()),
            ],
        )
        for (published, attack), rows in table.groupby(["published", "attack"], sort=False)
    ]
    head = ["K asked for", "share retained, least and most of the concepts", "mean accuracy of the concepts"]
    return [Grid("This audit.", "Attack", head, lines)] if lines else []

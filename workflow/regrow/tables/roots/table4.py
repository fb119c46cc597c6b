"""Tables 4 and 11, which are one: models cut by the saliency masks of SalUn and Scissorhands, attacked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.accuracy import COLUMNS as ACCURACY
from regrow.tables.lines import each_line
from regrow.tables.selection import accuracy_needs, concept_sets, labelled_sets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Tables 4 and 11: masks of other erasers, attacked"
CAPTION = (
    "Share of images in which the judge sees what the prompt asks for, by where the mask of the cut comes from, with "
    "Wilson intervals over the distinct images. Prompts of the erased concept: low means erased, and high after an "
    "attack means revived; prompts of other concepts: high means undamaged. The paper prunes what SalUn and "
    "Scissorhands find critical and does not say which layers and how much; here it is a share of FFN2 "
    "(interpretation), and the first model is the pruned one, not one that SalUn or Scissorhands trained."
)
SOURCE = "Roots Beneath the Cut, Tables 4 and 11"
REPORTED = "table4.csv"
COLUMNS = {
    "concept": ACCURACY["concept"],
    "published": ACCURACY["published"],
    "mask_source": "the eraser whose mask was pruned",
    **{name: ACCURACY[name] for name in ("attack", "prompt_set", "n", "n_distinct", "correct", "accuracy")},
    "low": ACCURACY["low"],
    "high": ACCURACY["high"],
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for all published models, attacked and not, on the erased concept's prompts; on others as the paper prints.

    That is attacked models alone, for the other concepts' prompts are most of the images.
    """
    from regrow.plan.needs import ScoreNeed

    own = concept_sets(audit)
    for need in accuracy_needs(audit, labelled_sets(audit)):
        if isinstance(need, ScoreNeed):
            role = need.cell.model.role
            if role == "attacked" or (role == "erased" and need.cell.prompt_set in own):
                yield need


def build(data: TableData) -> pd.DataFrame:
    """Count what the judges saw and say where each mask comes from."""
    table = data.accuracy(labelled_sets(data.audit))
    params = data.audit.params
    erasers = {name: params.erase_concept[entry.eraser]["method"] for name, entry in params.publish_model.items()}
    # What nothing can make yet is a blank, and nobody knows its mask.
    return table.assign(mask_source=[erasers.get(name, "") for name in table["published"]])[list(COLUMNS)]


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the mean accuracy of every attack on every published model."""
    from regrow.tables import style
    from regrow.tables.grid import draw_grid
    from regrow.tables.pooling import pooled_rows

    pooled = table[pooled_rows(table)]
    if pooled.empty:
        figure = style.figure(1.5)
        style.draw_empty(figure.subplots(), "no model was published in this audit")
        return figure
    attacks = pooled["attack"].where(pooled["attack"] != "none", "not attacked")
    kinds = pooled["concept"].str.removeprefix("mean").str.strip()
    models = pooled["published"].where(kinds == "", pooled["published"] + ", " + kinds)
    shown = pooled.assign(model=models, shown=attacks + " / " + pooled["prompt_set"])
    return draw_grid(shown, "shown", "accuracy", "judge sees what is asked for", lowest=0.0)


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracy of every attack on every published model."""
    from regrow.tables.pooling import MEAN, pooled_rows

    found = {}
    for row in each_line(table[pooled_rows(table)].dropna(subset=["accuracy"])):
        kind = row.concept.removeprefix(MEAN).replace(" ", "_")
        found[f"{row.prompt_set}_mask_{row.published}_{row.attack}{kind}"] = row.accuracy
    return found


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show a table per prompt set, models across, and what the paper prints."""
    from regrow.tables.blocks import accuracy_blocks, reported_accuracies

    attacked = table["attack"] != "none"
    return [
        *accuracy_blocks(table.assign(role=attacked.map({True: "attacked", False: "erased"})), data),
        *reported_accuracies(data),
    ]

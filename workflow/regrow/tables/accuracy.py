"""Accuracy per cell: images whose judge saw what was asked for; equal rows are one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.tables.intervals import with_wilson
from regrow.tables.pooling import MEAN, concept_order, in_order, pooled_names

if TYPE_CHECKING:
    import pandas as pd

ADDRESS = ["concept", "role", "published", "attack", "prompt_set"]
COLUMNS = {
    "concept": "what was erased; 'mean' pools the images of all concepts of one kind, each image once",
    "role": "pretrained, control, erased, attacked or oracle",
    "published": "the published model, none for the pretrained one",
    "attack": "the attack or the oracle, none without",
    "prompt_set": "what was asked for",
    "n": "rows of the prompt set; empty where the attack does not apply to the published model",
    "n_distinct": "distinct (prompt, seed) pairs: equal rows are one image",
    "correct": "of the distinct ones, images in which the judge's first answer is the label",
    "accuracy": "correct / n_distinct",
    "low": "lower limit of its Wilson interval over the distinct images",
    "high": "upper limit",
}


def accuracy_table(
    rows: pd.DataFrame,
    kinds: Mapping[str, str],
    models: Sequence[tuple[str, str, str]],
    blanks: Sequence[tuple[str, str, str]],
    prompt_sets: Sequence[str],
    level: float,
) -> pd.DataFrame:
    """Count every cell and pool the concepts of one kind.

    Top-1 accuracy as in Table 1 of Roots Beneath the Cut (*faithful* in form: `methods.md` 5.1; the judge is the
    world's own).

    Parameters
    ----------
    rows : DataFrame
        One line per image of each cell: the address, `case`, `prompt`, `seed`, `digest` and `correct`.
    kinds : mapping
        The audit's concepts, in order, with their kinds.
    models : sequence of (role, published, attack)
        In the order of the table, also those that are blanks or were not asked for.
    blanks : sequence of (role, published, attack)
        Models that do not exist because the attack does not apply: lines without numbers.
    prompt_sets : sequence of str
        In the order of the table.
    level : float
        Of the intervals.
    """
    import pandas as pd

    _refuse_two_images_of_one(rows)
    # What the concepts share (the pretrained model on the other concepts' prompts) is one set of images in the mean.
    owner = rows["concept"].where(~rows["role"].isin(("pretrained", "control")), "")
    names = pooled_names(kinds, MEAN)
    pooled = rows.assign(owner=owner, concept=[names[kinds[concept]] for concept in rows["concept"]])
    pooled = pooled.drop_duplicates([*ADDRESS, "owner", "case", "prompt", "seed"])
    every = pd.concat([rows.assign(owner=""), pooled], ignore_index=True)
    distinct = every.drop_duplicates([*ADDRESS, "owner", "prompt", "seed"])
    table = pd.DataFrame(
        {
            "n": every.groupby(ADDRESS).size(),
            "n_distinct": distinct.groupby(ADDRESS).size(),
            "correct": distinct.groupby(ADDRESS)["correct"].sum(),
        }
    ).reset_index()
    empty = [
        (concept, *model, prompt_set)
        for concept in concept_order(kinds, MEAN)
        for model in blanks
        for prompt_set in prompt_sets
    ]
    table = pd.concat([table, pd.DataFrame(empty, columns=ADDRESS)], ignore_index=True) if empty else table
    table = table.astype({"n": "Int64", "n_distinct": "Int64", "correct": "Int64"})
    table = with_wilson(table, level, n="n_distinct")
    table["model"] = list(zip(table["role"], table["published"], table["attack"], strict=True))
    order = {"concept": concept_order(kinds, MEAN), "model": models, "prompt_set": prompt_sets}
    return in_order(table, **order)[list(COLUMNS)]


def pick(table: pd.DataFrame, concept: str, model: tuple[str, str, str], prompt_set: str) -> pd.Series:
    """Return one line of a table of accuracies."""
    role, published, attack = model
    found = table[
        (table["concept"] == concept)
        & (table["role"] == role)
        & (table["published"] == published)
        & (table["attack"] == attack)
        & (table["prompt_set"] == prompt_set)
    ]
    if len(found) != 1:
        raise UserError(
            f"table 1 has {len(found)} lines for concept '{concept}', {role} {published} {attack}, prompts "
            f"'{prompt_set}', where it needs one: make the table again"
        )
    return found.iloc[0]


def _refuse_two_images_of_one(rows: pd.DataFrame) -> None:
    """Refuse equal (prompt, seed) rows of one model with different images: one of them was not drawn by it."""
    drawn = rows.groupby([*ADDRESS, "prompt", "seed"])["digest"].nunique()
    if (drawn > 1).any():
        concept, role, published, attack, prompt_set, prompt, seed = drawn.index[drawn > 1][0]
        raise UserError(
            f"the scores of {role} {published} {attack} for '{concept}' on '{prompt_set}' show two different images "
            f"of '{prompt}' with seed {seed}: delete the index of these images and run the workflow again"
        )

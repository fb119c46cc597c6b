"""What the paper prints beside Table 2, and in what that differs from an audit's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.selection import STYLES

if TYPE_CHECKING:
    import pandas as pd

    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData


def reported_styles(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the paper's numbers, its FID only beside one of the same features and number of images."""
    from regrow.tables.blocks import Grid, Text
    from regrow.tables.reported import differences

    reported = data.reported()
    if reported is None or not len(table) or not set(data.kinds.values()) & set(STYLES):
        return []
    blocks: list[Block] = []
    apart = _why_apart(table, reported)
    columns = {"similarity": "similarity", "score": "score", **({} if apart else {"fid": "FID"})}
    for prompt_set, rows in reported.groupby("prompt_set", sort=False):
        shown = {column: name for column, name in columns.items() if rows[column].notna().any()}
        models = list(dict.fromkeys(rows["model"]))
        cells = {(row.concept, row.model, column): getattr(row, column) for row in each_line(rows) for column in shown}
        lines = [
            (word, [_printed(cells.get((word, model, column))) for model in models for column in shown])
            for word in dict.fromkeys(rows["concept"])
        ]
        head = [f"{model}, {name}" for model in models for name in shown.values()]
        caption = f"Reported: {rows['source'].iloc[0]}, prompts '{prompt_set}', as printed."
        blocks.append(Grid(caption, "Artist", head, lines, reported=True, fold=True))
    told = [Text(apart)] if apart else []
    return [*blocks, *told, Text(differences(data.audit, "roots", more=_other_counts(table, data, reported)))]


def _why_apart(table: pd.DataFrame, reported: pd.DataFrame) -> str | None:
    """Return why the paper's FID is not shown, or None where every distance is of the same features and as many images.

    The FID of fewer images is larger, whatever the model.
    """
    from regrow.tables.distances import INCEPTION
    from regrow.tables.pooling import pooled_rows

    n = reported.dropna(subset="fid")["n"].iloc[0]
    own = table[~pooled_rows(table)].dropna(subset="fid")
    found = dict.fromkeys(zip(own["features"], own["n"], strict=True))
    if list(found) == [(INCEPTION, n)]:
        return None
    ours = " and ".join(f"{features} on {count:,} images" for features, count in found) or "none"
    return f"The paper's FID is of Inception on {n:,} images and stands beside no other distance (here: {ours})."


def _other_counts(table: pd.DataFrame, data: TableData, reported: pd.DataFrame) -> Iterator[str]:
    """Say which prompt sets have another number of images than those of the paper that ask for the same."""
    from regrow.tables.pooling import image_counts

    for prompt_set, rows in table.groupby("prompt_set", sort=False):
        about_none = data.audit.prompt_sets[str(prompt_set)].labels == "none"
        there = reported.loc[reported["score"].isna() == about_none, "n"].iloc[0]
        if (here := image_counts(rows)) != str(there):
            yield f"{here} images per model of '{prompt_set}' (there {there})"


def _printed(value: float | None) -> str | None:
    return None if value is None or value != value else f"{value:g}"

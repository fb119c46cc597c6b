"""Table 2: how much of a style is left by CLIP, and what becomes of all other images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.lines import each_line
from regrow.tables.models import PUBLISHED
from regrow.tables.selection import judge_of, style_cells

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import TableData

TITLE = "Table 2: CLIP similarity, CLIP score and FID"
CAPTION = (
    "Similarity: cosine of image and prompt by CLIP, averaged. Score: share of prompts whose image is strictly less "
    "similar to them than the pretrained model's image of the same row; high means erased, and the pretrained model "
    "has 0. Prompts about no concept tell what else was harmed: their similarity, and how far the images are from the "
    "reference. A distance is comparable only with one of the same features, reference and number of images, and its "
    "interval is over the drawn images; KID, of the same features, is unbiased also where images are few. The mean "
    "pools the images of all concepts of one kind; of distances it is the mean."
)
SOURCE = "Roots Beneath the Cut, Table 2"
REPORTED = "table2.csv"
COLUMNS = {
    "concept": "what was erased; any for the pretrained model on prompts about no concept; 'mean' pools concepts",
    "published": PUBLISHED,
    "attack": "the attack, none without",
    "prompt_set": "what was asked for",
    "n": "rows; empty where the attack does not apply to the published model",
    "n_distinct": "distinct (prompt, seed) pairs: equal rows are one image",
    "similarity": "mean cosine of image and prompt over all rows",
    "similarity_low": "lower limit of its interval, as wide as the distinct images make it",
    "similarity_high": "upper limit",
    "score": "share of rows strictly below the pretrained model's image; empty for prompts about no concept",
    "score_low": "lower limit of its Wilson interval for as many trials as there are distinct images",
    "score_high": "upper limit",
    "fid": "Frechet distance from the reference, by what `features` says",
    "fid_low": "lower limit of its interval over the drawn images, the reference being given",
    "fid_high": "upper limit",
    "features": "what the distance is of: inception as in papers, or a classifier, which gives other numbers",
    "kid": "kernel distance (KID) from the same reference by the same features; unbiased, so it may be negative",
    "kid_low": "lower limit of its interval over the drawn images",
    "kid_high": "upper limit",
}
_KEYS = ("concept", "published", "attack", "prompt_set")


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for similarities of every model of a style, and on prompts about no concept for distances too."""
    from regrow.plan.audit import ScoreNeed

    for prompt_set in audit.prompt_sets:
        for cell in style_cells(audit, prompt_set):
            for column in ("similarity", "distance"):
                if judge := _judge(audit, prompt_set, cell.concept, column):
                    yield ScoreNeed(cell, judge)


def _judge(audit: Audit, prompt_set: str, concept: str, column: str) -> str | None:
    """Return the judge that writes a column for a prompt set; of distances only where no concept is asked for."""
    if column == "distance" and audit.prompt_sets[prompt_set].labels != "none":
        return None
    return judge_of(audit, prompt_set, concept, column)


def build(data: TableData) -> pd.DataFrame:
    """Average similarities, count scores, and put the distances beside them."""
    import pandas as pd

    from regrow.tables.models import model_order
    from regrow.tables.pooling import MEAN, concept_order, in_order

    audit = data.audit
    parts = [_of_a_set(data, prompt_set) for prompt_set in audit.prompt_sets if style_cells(audit, prompt_set)]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = pd.concat([table, _blanks(data, list(dict.fromkeys(table["prompt_set"])))], ignore_index=True)
    table = table.reindex(columns=list(COLUMNS)).astype({"n": "Int64", "n_distinct": "Int64"})
    table["model"] = list(zip(table["published"], table["attack"], strict=True))
    order = {"prompt_set": list(audit.prompt_sets), "concept": ["any", *concept_order(data.kinds, MEAN)]}
    return in_order(table, **order, model=model_order(data))[list(COLUMNS)]


def _of_a_set(data: TableData, prompt_set: str) -> pd.DataFrame:
    """Return the lines of one prompt set: its similarities, its distances, or both side by side."""
    import pandas as pd

    from regrow.tables.distances import distances

    images, sets = _said(data, prompt_set, "similarity"), _said(data, prompt_set, "distance")
    parts = []
    if len(images):
        parts.append(_similarities(data, prompt_set, images))
    if len(sets):
        parts.append(distances(sets, data.kinds, data.level))
    if len(parts) < 2:  # prompts that only a detector judges are Table 7's
        return parts[0] if parts else pd.DataFrame()
    return parts[0].merge(parts[1].drop(columns=["n", "n_distinct"]), how="outer", on=list(_KEYS), validate="1:1")


def _said(data: TableData, prompt_set: str, column: str) -> pd.DataFrame:
    """Return what the judges that write a column say of a prompt set."""
    import pandas as pd

    from regrow.tables.models import set_apart

    cells = style_cells(data.audit, prompt_set)
    judges = dict.fromkeys(_judge(data.audit, prompt_set, cell.concept, column) for cell in cells)
    rows = [set_apart(data.scores(judge)) for judge in judges if judge is not None]
    return pd.concat([part[part["prompt_set"] == prompt_set] for part in rows]) if rows else pd.DataFrame()


def _similarities(data: TableData, prompt_set: str, images: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from regrow.plan.addresses import CONTROL
    from regrow.tables.pooling import MEAN, with_pooled
    from regrow.tables.similarity import similarities, with_below

    about_none = data.audit.prompt_sets[prompt_set].labels == "none"
    rows = _once(images) if about_none else with_below(images)
    # A control draws the same for all concepts of a mean.
    rows = rows.assign(owner=rows["concept"].where(rows["role"] != CONTROL, ""))
    shared = rows["concept"] == "any"
    pooled = with_pooled(rows[~shared], data.kinds, MEAN)
    table = similarities(pd.concat([rows[shared], pooled], ignore_index=True), data.level)
    return table.drop(columns="role")


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the pretrained model's once: it draws for all concepts and stands under each of them."""
    concept = rows["concept"].mask(rows["role"] == "pretrained", "any")
    return rows.assign(concept=concept).drop_duplicates(
        ["concept", "role", "published", "attack", "prompt_set", "case"]
    )


def _blanks(data: TableData, prompt_sets: list[str]) -> pd.DataFrame:
    import pandas as pd

    from regrow.tables.models import blank_models
    from regrow.tables.pooling import MEAN, pooled_names

    names, rows, models = pooled_names(data.kinds, MEAN), [], blank_models(data)
    for prompt_set in prompt_sets:
        own = dict.fromkeys(cell.concept for cell in style_cells(data.audit, prompt_set) if cell.concept in data.kinds)
        means = dict.fromkeys(names[data.kinds[concept]] for concept in own)
        rows += [(concept, *model, prompt_set) for concept in [*own, *means] for model in models]
    return pd.DataFrame(rows, columns=list(_KEYS))


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean similarity, score and distance of every model that is there."""
    from regrow.tables.distances import INCEPTION
    from regrow.tables.models import role_of
    from regrow.tables.pooling import pooled_rows
    from regrow.tables.revival import model_key

    whole = table[pooled_rows(table) | (table["concept"] == "any")].dropna(subset="similarity")
    found = {}
    for row in each_line(whole):
        role = role_of(row.published, row.attack)
        for column in ("similarity", "score", "fid"):
            if (value := getattr(row, column)) == value:
                # Of other features than Inception's it is no FID, and no reader shall compare it with one.
                name = "distance" if column == "fid" and row.features != INCEPTION else column
                found[f"{row.prompt_set}_{name}_{model_key(role, row.published, row.attack)}"] = value
    return found


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show all in the paper's order, every measure with its intervals, and what the paper prints.

    Its FID stands only beside one of the same features and number of images.
    """
    import pandas as pd

    from regrow.tables.blocks import BY_CONCEPT, Blank, Grid, Share
    from regrow.tables.models import name_of
    from regrow.tables.pooling import image_counts
    from regrow.tables.style_reported import reported_styles

    blocks: list[Block] = _whole(table, data)
    for prompt_set, rows in table.groupby("prompt_set", sort=False):
        models = list(dict.fromkeys(zip(rows["published"], rows["attack"], strict=True)))
        head = [name_of(data, *model) for model in models]
        for column, name in (
            ("similarity", "CLIP similarity"),
            ("score", "CLIP score"),
            ("fid", _distance_name(data, str(prompt_set))),
            ("kid", "KID beside it"),
        ):
            cells: dict[tuple[str, ...], Share | Blank | str] = {}
            for row in each_line(rows):
                value, low, high = (getattr(row, f"{column}{end}") for end in ("", "_low", "_high"))
                if value == value:
                    share = Share(value, low, high) if column == "score" else _numbers(value, low, high)
                    cells[row.concept, row.published, row.attack] = share
                elif pd.isna(row.n):
                    cells[row.concept, row.published, row.attack] = Blank(data.reason(row.published, row.attack))
            if rows[column].notna().any():
                lines = [
                    (one, [cells.get((one, *model)) for model in models]) for one in dict.fromkeys(rows["concept"])
                ]
                of = f"{image_counts(rows)} images per model{_of(rows, column)}"
                caption = f"This audit: {name}, prompts '{prompt_set}', {of}."
                blocks.append(Grid(caption, BY_CONCEPT, head, lines, fold=True))
    return [*blocks, *reported_styles(table, data)]


def _whole(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Return one grid as the paper has it: a line per concept, and every measure of every model side by side."""
    import pandas as pd

    from regrow.tables.blocks import BY_CONCEPT, Blank, Grid
    from regrow.tables.models import name_of

    audit = data.audit
    sets = list(dict.fromkeys(table["prompt_set"]))
    asked = [name for name in sets if audit.prompt_sets[name].labels == "concept"]
    measures = [(name, column) for name in asked for column in ("similarity", "score")]
    measures += [(name, column) for name in sets if name not in asked for column in ("fid", "similarity")]
    measures = [
        (name, column) for name, column in measures if table.loc[table["prompt_set"] == name, column].notna().any()
    ]
    models = list(dict.fromkeys(zip(table["published"], table["attack"], strict=True)))
    cells: dict[tuple[str, ...], Blank | str] = {}
    for row in each_line(table):
        for _, column in (one for one in measures if one[0] == row.prompt_set):
            value, address = getattr(row, column), (row.concept, row.published, row.attack, row.prompt_set, column)
            if value == value:
                cells[address] = f"{100 * value:.0f} %" if column == "score" else f"{value:.3g}"
            elif pd.isna(row.n):
                cells[address] = Blank(data.reason(row.published, row.attack))
    head = [
        f"{name_of(data, *model)}: {_distance_name(data, name) if column == 'fid' else column} ({name})"
        for model in models
        for name, column in measures
    ]
    lines = [
        (concept, [cells.get((concept, *model, *one)) for model in models for one in measures])
        for concept in dict.fromkeys(table["concept"])
    ]
    return [Grid("This audit, laid out as the paper's table; intervals stand below.", BY_CONCEPT, head, lines)]


def _distance_name(data: TableData, prompt_set: str) -> str:
    """Return the name of the judge of distances, for a distance of other features is no FID."""
    from regrow.plan.addresses import ANY

    return _judge(data.audit, prompt_set, ANY, "distance") or "distance"


def _numbers(value: float, low: float, high: float) -> str:
    return f"{value:.4g}" if low != low else f"{value:.4g} ({low:.4g} to {high:.4g})"


def _of(rows: pd.DataFrame, column: str) -> str:
    return f", by {rows['features'].dropna().iloc[0]}" if column in ("fid", "kid") else ""

"""A strip of pictures per concept: before, erased, and under the attack that shows the concept most often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.gallery import COLUMNS as _GALLERY
from regrow.tables.lines import each_line
from regrow.tables.selection import accuracy_needs, concept_sets

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Pictures per concept"
CAPTION = (
    "A row per model: the pretrained one, each erased one, and the attack on it that shows the concept most often. The "
    "pictures are the first seeds, the same in every row; none is chosen. A blue frame: the judge sees the concept."
)
SOURCE = None
REPORTED = None
COLUMNS = {
    **{name: _GALLERY[name] for name in ("concept", "role", "published", "attack", "prompt_set")},
    "accuracy": "share of the model's images in which the judge sees the concept",
    "low": "lower limit of its Wilson interval",
    "high": "upper limit",
    **{name: said for name, said in list(_GALLERY.items())[5:]},
}
_LABELS = 300  # pixels left of the pictures, for what the rows are


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for the images and scores of every model but the oracles on the prompts of the erased concept."""
    return accuracy_needs(audit, concept_sets(audit), images=True)


def build(data: TableData) -> pd.DataFrame:
    """List the first distinct images of the models that tell a concept's story."""
    import pandas as pd

    from regrow.tables.accuracy import ADDRESS
    from regrow.tables.gallery import first_images
    from regrow.tables.strongest import strongest_attacks

    sets = concept_sets(data.audit)
    accuracies = data.accuracy(sets)
    images = first_images(data.judged(sets)).merge(accuracies[[*ADDRESS, "accuracy", "low", "high"]], on=ADDRESS)
    parts = []
    for concept, rows in accuracies[accuracies["concept"].isin(data.kinds)].groupby("concept", sort=False):
        for prompt_set, here in rows.groupby("prompt_set", sort=False):
            for model in story(here, strongest_attacks(here)):
                wanted = dict(zip(ADDRESS, (concept, *model, prompt_set), strict=True))
                parts.append(images.merge(pd.DataFrame([wanted]), on=ADDRESS))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def story(rows: pd.DataFrame, strongest: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return the models that tell a concept's story: pretrained, then each erased one and its strongest attack."""
    models = []
    for row in each_line(rows):
        if row.role == "pretrained":
            models.append((row.role, row.published, row.attack))
        elif row.role == "erased":
            models.append((row.role, row.published, row.attack))
            if row.published in strongest:
                models.append(("attacked", row.published, strongest[row.published]))
    return models


def draw(table: pd.DataFrame, data: FigureData) -> Image.Image:
    """Draw a line of pictures per concept and model, its name and accuracy on the left."""
    from PIL import Image, ImageDraw

    from regrow.tables.pictures import GAP, TILE, Picture, font, mosaic
    from regrow.tables.style import spoken

    shown = table[table["position"] <= data.columns]
    images = data.pictures(shown["digest"])
    lines = _lines(shown)
    across = int(shown["position"].max()) if len(shown) else 1
    canvas = Image.new("RGB", (_LABELS + across * (TILE + GAP) - GAP, len(lines) * (TILE + GAP) - GAP), "white")
    pen = ImageDraw.Draw(canvas)
    for number, (key, rows) in enumerate(lines):
        top = number * (TILE + GAP)
        pictures = [Picture(images[row.digest], bool(row.seen)) for row in each_line(rows)]
        canvas.paste(mosaic(pictures, len(pictures)), (_LABELS, top))
        concept, *model, _ = key
        first = rows.iloc[0]
        pen.text((8, top + 18), spoken(concept), "black", font(20, bold=True))
        pen.text((8, top + 46), data.label(*model), "black", font(18))
        said = f"{100 * first['accuracy']:.0f} % ({100 * first['low']:.0f}–{100 * first['high']:.0f})"
        pen.text((8, top + 72), said, "#57606a", font(16))
    return canvas


def strip(figure: Image.Image, table: pd.DataFrame, concept: str, columns: int) -> Image.Image:
    """Cut the pictures of one concept, without their names, out of the drawn figure."""
    from regrow.tables.pictures import GAP, TILE

    keys = [key for key, _ in _lines(table[table["position"] <= columns])]
    own = [number for number, key in enumerate(keys) if key[0] == concept]
    return figure.crop((_LABELS, own[0] * (TILE + GAP), figure.width, (own[-1] + 1) * (TILE + GAP) - GAP))


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show the figure alone: the table is a list of digests."""
    return []


def _lines(shown: pd.DataFrame) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    from regrow.tables.accuracy import ADDRESS

    return [(tuple(map(str, key)), rows) for key, rows in shown.groupby(ADDRESS, sort=False)]

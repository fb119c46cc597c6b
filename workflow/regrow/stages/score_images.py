"""Stage `score_images`: every judge looks at every image of one cell; one row per image."""

import importlib.metadata
import io
import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from regrow.concepts import read_concept
from regrow.errors import UserError
from regrow.files import digest, write_then_rename
from regrow.judge.classifier import load_classifier
from regrow.judge.clip_similarity import load_clip
from regrow.paper.parquet import read_parquet
from regrow.stages.generate_images import SHARED
from regrow.worlds import read_world

log = logging.getLogger(__name__)

SCHEMA = pa.schema(
    [
        ("concept", pa.string()),
        ("recipe", pa.string()),
        ("prompt_set", pa.string()),
        ("case", pa.int64()),
        ("prompt", pa.string()),
        ("label", pa.string()),
        ("seed", pa.int64()),
        ("digest", pa.string()),
        ("top1", pa.string()),
        ("top5", pa.list_(pa.string())),
        ("confidence", pa.float64()),
        ("correct", pa.bool_()),
        ("style", pa.string()),
        ("style_confidence", pa.float64()),
        ("clip_similarity", pa.float64()),
    ]
)


def run(
    world: Path,
    images: Path,
    recipe: str,
    concept: str,
    prompt_set: str,
    chain: dict[str, Any],
    batch: int,
    device: str,
    out: Path,
) -> None:
    """Judge the images of one cell.

    Parameters
    ----------
    world : Path
        world.json of get_world; names the judges.
    images : Path
        Parquet file of generate_images.
    recipe : str
        Name of the recipe.
    concept : str
        A concept of the world, or ``any`` for the pretrained model's preserved images.
    prompt_set : str
        ``erased`` or ``preserved``.
    chain : dict
        The recipe's chain with all options; told in the metadata.
    batch : int
        Images at once; changes time and memory only.
    device : str
        For example `cpu` or `cuda`.
    out : Path
        Parquet file, one row per image.

    Raises
    ------
    UserError
        A label that the judge does not know, or an image or judge that is damaged. A judge that fails is an error and
        never counts as "erased".
    """
    place = read_world(world)
    rows, made = read_parquet(images, ("case", "prompt", "label", "seed", "image", "digest"))
    judges = place.judges
    objects, styles = load_classifier(judges["object"], device), load_classifier(judges["style"], device)
    clip = load_clip(judges["clip"], device)
    kind = "object" if concept == SHARED else read_concept(place.concept(concept)).kind
    seen_by = {"object": objects, "style": styles}.get(kind)
    if seen_by is None:
        raise UserError(f"concept '{concept}' is of kind {kind}, which no judge of world '{place.name}' sees: add one")
    for label in sorted({row["label"] for row in rows}):
        seen_by.require_label(label)
    scored = []
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        pictures = [_decode(row["image"]["bytes"], images, row["case"]) for row in part]
        columns = (objects(pictures), styles(pictures), clip(pictures, [row["prompt"] for row in part]))
        for row, thing, style, similarity in zip(part, *columns, strict=True):
            seen = thing if kind == "object" else style
            scored.append(
                {
                    "concept": concept,
                    "recipe": recipe,
                    "prompt_set": prompt_set,
                    **{key: row[key] for key in ("case", "prompt", "label", "seed", "digest")},
                    "top1": seen.top5[0],
                    "top5": seen.top5,
                    "confidence": seen.confidence,
                    "correct": seen.top5[0] == row["label"],
                    "style": style.top5[0],
                    "style_confidence": style.confidence,
                    "clip_similarity": similarity,
                }
            )
    used = {"object": objects.protocol, "style": styles.protocol, "clip": clip.protocol}
    metadata = {
        **{key: made.get(key) for key in ("model_digest", "base_digest", "sampler")},
        "recipe": {"name": recipe, **chain},
        "protocol": {name: _told(protocol.folder, protocol.settings) for name, protocol in used.items()},
        "versions": {
            **made.get("versions", {}),
            **{name: importlib.metadata.version(name) for name in ("torchvision", "open_clip_torch", "regrow")},
        },
    }
    schema = SCHEMA.with_metadata({"regrow": json.dumps(metadata, sort_keys=True)})
    table = pa.Table.from_pylist(scored, schema=schema)
    write_then_rename(out, lambda temporary: pq.write_table(table, temporary))
    log.info("%s, %s, %s: %d images judged", recipe, concept, prompt_set, len(scored))


def _decode(png: bytes, path: Path, case: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(png)).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{path}: the image of case {case} is damaged: delete the file and generate it again") from error


def _told(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a protocol as it is printed: how many labels instead of all of them, and the digest of the weights."""
    told = {key: value for key, value in settings.items() if key != "labels"}
    if "labels" in settings:
        told["labels"] = len(settings["labels"])
    if str(settings.get("weights", "")).endswith(".safetensors"):
        told["weights_digest"] = digest(folder / settings["weights"])
    return told

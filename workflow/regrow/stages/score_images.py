"""Stage `score_images`: every judge looks at every image of one model and concept; one row per image."""

import importlib.metadata
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from regrow import __version__
from regrow.concepts import read_concept
from regrow.errors import UserError
from regrow.files import digest, write_then_rename
from regrow.judge import Protocol
from regrow.judge.classifier import Classifier, load_classifier
from regrow.judge.clip_similarity import ClipSimilarity, load_clip
from regrow.paper.parquet import read_parquet
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
    images: list[Path],
    recipe: str,
    concept: str,
    prompt_sets: list[str],
    chain: dict[str, Any],
    batch: int,
    device: str,
    outs: list[Path],
) -> None:
    """Judge the images of one model and concept; the judges are loaded once for all prompt sets.

    Parameters
    ----------
    world : Path
        world.json of get_world; names the judges.
    images : list of Path
        One Parquet file of generate_images per prompt set.
    recipe : str
        Name of the recipe.
    concept : str
        A concept of the world, or ``any`` for the pretrained model's preserved images.
    prompt_sets : list of str
        ``erased``, ``preserved`` or both.
    chain : dict
        The recipe's chain with all options; told in the metadata.
    batch : int
        Images at once; changes time and memory only.
    device : str
        For example `cpu` or `cuda`.
    outs : list of Path
        One Parquet file per prompt set, one row per image.

    Raises
    ------
    UserError
        A label that the judge does not know, or an image or judge that is damaged. A judge that fails is an error and
        never counts as "erased".
    """
    place = read_world(world)
    judges = Judges(
        load_classifier(place.judge("object"), device),
        load_classifier(place.judge("style"), device) if place.has_judge("style") else None,
        load_clip(place.judge("clip"), device),
    )
    columns = [field for field in SCHEMA if judges.style or not field.name.startswith("style")]
    for source, prompt_set, out in zip(images, prompt_sets, outs, strict=True):
        # What must stay are objects, whatever was erased.
        kind = read_concept(place.concept(concept)).kind if prompt_set == "erased" else "object"
        if getattr(judges, kind, None) is None:
            raise UserError(
                f"concept '{concept}' is of kind {kind}, which no judge of world '{place.name}' sees: add one"
            )
        rows, made = read_parquet(source, ("case", "prompt", "label", "seed", "image", "digest"))
        told = {"concept": concept, "recipe": recipe, "prompt_set": prompt_set}
        scored = [{**told, **row} for row in _judge(rows, judges, kind, batch, source)]
        metadata = {
            **{key: made.get(key) for key in ("model_digest", "base_digest", "sampler")},
            "recipe": {"name": recipe, **chain},
            "protocol": {name: _told(judge.protocol) for name, judge in vars(judges).items() if judge},
            "versions": {
                **made.get("versions", {}),
                "regrow": __version__,
                **{name: importlib.metadata.version(name) for name in ("torchvision", "open_clip_torch")},
            },
        }
        schema = pa.schema(columns, {"regrow": json.dumps(metadata, sort_keys=True)})
        table = pa.Table.from_pylist(scored, schema=schema)
        write_then_rename(out, lambda temporary, table=table: pq.write_table(table, temporary))  # type: ignore[misc]
        log.info("%s, %s, %s: %d images judged", recipe, concept, prompt_set, len(scored))


@dataclass(frozen=True)
class Judges:
    """The judges of a world, loaded; a world without styles has none for them."""

    object: Classifier
    style: Classifier | None
    clip: ClipSimilarity


def _judge(rows: list[dict[str, Any]], judges: Judges, kind: str, batch: int, source: Path) -> Iterator[dict[str, Any]]:
    """Yield one row of scores per image; the judge of `kind` says what is on it."""
    for label in sorted({row["label"] for row in rows}):
        getattr(judges, kind).require_label(label)
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        pictures = [_decode(row["image"]["bytes"], source, row["case"]) for row in part]
        opinions = {name: judge(pictures) for name in ("object", "style") if (judge := getattr(judges, name))}
        similarities = judges.clip(pictures, [row["prompt"] for row in part])
        for number, (row, seen, similarity) in enumerate(zip(part, opinions[kind], similarities, strict=True)):
            scores = {
                **{key: row[key] for key in ("case", "prompt", "label", "seed", "digest")},
                "top1": seen.top5[0],
                "top5": seen.top5,
                "confidence": seen.confidence,
                "correct": seen.top5[0] == row["label"],
                "clip_similarity": similarity,
            }
            if judges.style:
                style = opinions["style"][number]
                scores |= {"style": style.top5[0], "style_confidence": style.confidence}
            yield scores


def _decode(png: bytes, path: Path, case: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(png)).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(
            f"{path}: the image of case {case} is damaged: delete the file and generate it again"
        ) from error


def _told(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol as it is printed: how many labels instead of all of them, and the digest of the weights."""
    settings = protocol.settings
    told = {key: value for key, value in settings.items() if key != "labels"}
    if "labels" in settings:
        told["labels"] = len(settings["labels"])
    if str(settings.get("weights", "")).endswith(".safetensors"):
        told["weights_digest"] = digest(protocol.folder / settings["weights"])
    return told

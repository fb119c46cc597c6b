"""Stage `generate_images`: the images of one model, only those that are missing; it loads the model once for all."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regrow.concepts import ERASED, read_concept
from regrow.errors import UserError
from regrow.files import write_then_rename
from regrow.generate import Sampler, generate, image_key, means_digest, versions
from regrow.models import load_delta, load_pipeline
from regrow.prompts import Prompt, erased_rows, preserved_rows, read_prompts
from regrow.worlds import World, read_world

log = logging.getLogger(__name__)

SHARED = "any"  # the concept name of the pretrained model's preserved images, which serve every concept
SCHEMA = pa.schema(
    [
        ("case", pa.int64()),
        ("prompt", pa.string()),
        ("label", pa.string()),
        ("seed", pa.int64()),
        ("key", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("digest", pa.string()),
    ]
)


def run(
    world: Path,
    recipe: str,
    concept: str,
    prompt_sets: list[str],
    model: Path | None,
    n: int,
    steps: int,
    guidance: float,
    batch: int,
    device: str,
    outs: list[Path],
) -> None:
    """Generate the images of one model and concept; those that `outs` or an interrupted run already hold are kept.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    recipe : str
        Name of the recipe; told in the metadata.
    concept : str
        A concept of the world, or ``any`` for preserved images of the pretrained model.
    prompt_sets : list of str
        ``erased``, ``preserved`` or both.
    model : Path, optional
        Delta of the model under audit; the pretrained model without it.
    n : int
        Images.
    steps : int
        Sampling steps.
    guidance : float
        Scale of classifier-free guidance.
    batch : int
        Images at once.
    device : str
        For example `cpu` or `cuda`.
    outs : list of Path
        One Parquet file per prompt set: case, prompt, label, seed, key, image (PNG), digest.

    Raises
    ------
    UserError
        Too few prompts, a delta of another base, damaged files.
    """
    place = read_world(world)
    wanted = {out: prompt_rows(place, concept, name, n) for name, out in zip(prompt_sets, outs, strict=True)}
    model_digest = place.pipeline_digest
    if model is not None:
        model_digest = load_delta(model).digest
    pipeline = load_pipeline(place.pipeline, model, device)
    sampler = Sampler(type(pipeline.scheduler).__name__, steps, guidance)
    metadata = {
        "recipe": recipe,
        "model_digest": model_digest,
        "base_digest": place.pipeline_digest,
        "sampler": {"scheduler": sampler.scheduler, "steps": steps, "guidance": guidance},
        "versions": versions(),
    }
    means = means_digest(place.pipeline)
    for out, rows in wanted.items():
        log.info("%s, %s, %s: %d images", recipe, concept, out.stem, len(rows))
        _fill(
            out,
            rows,
            lambda row: image_key(model_digest, means, row, sampler),
            lambda missing: generate(pipeline, missing, sampler, batch),
            metadata,
        )


def _fill(
    out: Path,
    rows: list[Prompt],
    key_of: Callable[[Prompt], str],
    draw: Callable[[list[Prompt]], Iterator[list[tuple[Prompt, bytes]]]],
    metadata: dict[str, Any],
) -> None:
    """Write the images of `rows` to `out`, drawing those that neither it nor an interrupted run holds.

    Images of later cases stay where they are still those that would be drawn: a run that asks for fewer loses none.
    """
    partial = out.with_name(f".{out.name}.part")
    found = [*_images(out), *_images(partial)]
    made = {key: png for row, key, png in found if key == key_of(row)}
    last = max(row.case for row in rows)
    later = {row.case: row for row, key, _ in found if row.case > last and key in made}
    rows = [*rows, *(later[case] for case in sorted(later))]
    keys = {row: key_of(row) for row in rows}
    missing = [row for row in rows if keys[row] not in made]
    log.info("%d to make", len(missing))
    started, done = time.monotonic(), 0
    for part in draw(missing):
        made.update((keys[row], png) for row, png in part)
        done += len(part)
        _write(partial, [row for row in rows if keys[row] in made], keys, made, metadata)
        rate = done / (time.monotonic() - started)
        log.info("%d of %d images, %.0f s left", done, len(missing), (len(missing) - done) / rate)
    _write(out, rows, keys, made, metadata)
    partial.unlink(missing_ok=True)


def prompt_rows(world: World, concept: str, prompt_set: str, n: int) -> list[Prompt]:
    """Return the rows of one prompt set of a concept.

    Raises
    ------
    UserError
        An unknown concept or prompt set, or too few prompts.
    """
    if prompt_set == "preserved":
        label = None if concept == SHARED else read_concept(world.concept(concept)).label
        return preserved_rows(read_prompts(world.preserved), n, world.preserved, label)
    if prompt_set == "erased":
        path = world.concept(concept) / ERASED
        return erased_rows(read_prompts(path), n, path, read_concept(world.concept(concept)).label)
    raise UserError(f"there is no prompt set '{prompt_set}': valid are erased, preserved")


def _images(path: Path) -> list[tuple[Prompt, str, bytes]]:
    """Return rows, keys and PNG files; a file that is absent or damaged has none, and its images are made anew."""
    try:
        columns = ["case", "prompt", "seed", "label", "key", "image", "digest"]
        table = pq.read_table(path, columns=columns, partitioning=None).to_pylist()
    except (FileNotFoundError, pa.ArrowException, OSError):
        return []
    return [
        (Prompt(row["case"], row["prompt"], row["seed"], row["label"]), row["key"], row["image"]["bytes"])
        for row in table
        if _digest(row["image"]["bytes"]) == row["digest"]
    ]


def _write(
    path: Path, rows: list[Prompt], keys: dict[Prompt, str], made: dict[str, bytes], metadata: dict[str, Any]
) -> None:
    table = pa.Table.from_pylist(
        [
            {
                "case": row.case,
                "prompt": row.prompt,
                "label": row.label,
                "seed": row.seed,
                "key": keys[row],
                "image": {"bytes": made[keys[row]], "path": None},
                "digest": _digest(made[keys[row]]),
            }
            for row in rows
        ],
        schema=SCHEMA.with_metadata({"regrow": json.dumps(metadata, sort_keys=True)}),
    )
    write_then_rename(path, lambda temporary: pq.write_table(table, temporary))


def _digest(png: bytes) -> str:
    return hashlib.sha256(png).hexdigest()

"""Fetch single pictures from image shards and frame them for a figure."""

import hashlib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib import get_data_path
from PIL import Image, ImageFont

from regrow.errors import UserError
from regrow.files import write_then_rename

SIDE = 96  # pixels of a picture in a figure
FRAME = 6  # pixels of its frame
TILE = SIDE + 2 * FRAME + 2  # with one white pixel on each side of the picture
GAP = 4  # pixels between pictures
SEEN, UNSEEN = (0, 114, 178), (205, 205, 205)  # frame colours: the judge sees the concept, or not


@dataclass(frozen=True)
class Picture:
    """One generated image and whether the judge's first answer is the concept."""

    image: Image.Image
    seen: bool


def read_images(paths: Sequence[Path], digests: Collection[str]) -> dict[str, Image.Image]:
    """Find images by the digest of their PNG bytes, without loading whole shards.

    Parameters
    ----------
    paths : sequence of Path
        Files of generate_images: columns ``image`` (struct of bytes and path) and ``digest``.
    digests : collection of str
        SHA-256 of the wanted images.

    Returns
    -------
    dict
        Digest to RGB image.

    Raises
    ------
    UserError
        When a file cannot be read, an image is in none of them, or its bytes are not those that were judged.
    """
    wanted = set(digests)
    found: dict[str, Image.Image] = {}
    for path in paths:
        try:
            here = pq.read_table(path, columns=["digest"], partitioning=None)["digest"].to_pylist()
            last = max((row for row, digest in enumerate(here) if digest in wanted), default=-1)
            if last >= 0:
                with pq.ParquetFile(path) as file:
                    _collect(file, last, wanted, found, path)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is not a readable image shard: delete it and run generate_images again") from error
    if wanted - set(found):
        raise UserError(
            f"{len(wanted - set(found))} judged images are in none of the image files: run score_images again"
        )
    return found


def _collect(file: pq.ParquetFile, last: int, wanted: set[str], found: dict[str, Image.Image], path: Path) -> None:
    rows = 0
    for batch in file.iter_batches(batch_size=16, columns=["image", "digest"]):
        for row in batch.to_pylist():
            png = row["image"]["bytes"]
            if row["digest"] in wanted and row["digest"] not in found:
                if hashlib.sha256(png).hexdigest() != row["digest"]:
                    raise UserError(
                        f"{path}: an image is not the one its digest names; delete the file and make it again"
                    )
                found[row["digest"]] = Image.open(io.BytesIO(png)).convert("RGB")
        rows += batch.num_rows
        if rows > last:
            return


def tile(picture: Picture) -> Image.Image:
    """Frame a picture at a side of `TILE` pixels; small images are enlarged pixel by pixel, large ones made smaller."""
    small = max(picture.image.size) < SIDE
    resized = picture.image.resize((SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
    framed = Image.new("RGB", (TILE, TILE), SEEN if picture.seen else UNSEEN)
    framed.paste((255, 255, 255), (FRAME, FRAME, TILE - FRAME, TILE - FRAME))
    framed.paste(resized, (FRAME + 1, FRAME + 1))
    return framed


def mosaic(pictures: Sequence[Picture], per_row: int) -> Image.Image:
    """Lay pictures out in rows, on white, `GAP` pixels apart."""
    rows = -(-len(pictures) // per_row)
    canvas = Image.new("RGB", (per_row * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP), "white")
    for number, picture in enumerate(pictures):
        canvas.paste(tile(picture), (number % per_row * (TILE + GAP), number // per_row * (TILE + GAP)))
    return canvas


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that comes with matplotlib, so that figures are the same on every machine."""
    return ImageFont.truetype(
        Path(get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size
    )


def save_picture(image: Image.Image, path: Path) -> None:
    """Write a PNG that holds no date and no program name."""
    write_then_rename(path, lambda temporary: image.save(temporary, format="PNG", optimize=True))

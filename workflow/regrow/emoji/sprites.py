"""Render the shared objects of the seven icon sets to one Parquet file of sprites."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from regrow.emoji.vocabulary import NAMES, STYLES
from regrow.errors import UserError
from regrow.io.files import write_then_rename
from regrow.io.parquet import read_table

SIZE = 64  # pixels of a sprite's side


def render_sprites(packages: Path, out: Path) -> int:
    """Rasterise every (object, set) pair to a 64x64 RGBA PNG.

    Parameters
    ----------
    packages : Path
        Folder with the npm packages, one folder per set, each holding ``icons.json`` and ``info.json``.
    out : Path
        Parquet file to write: columns name, style, png, licence, package.

    Returns
    -------
    int
        Number of sprites written.

    Raises
    ------
    UserError
        When a package is missing or lacks one of the objects.
    """
    for style in STYLES:
        if not (packages / style / "icons.json").is_file():
            raise UserError(
                f"no icons.json in {packages / style}: run `npm install @iconify-json/{style}` and point there"
            )
    try:
        import resvg_py  # only the rule that rebuilds the sprites needs a renderer
    except ModuleNotFoundError as error:
        raise UserError("resvg_py, which renders SVG, is missing: run `pip install -e '.[emoji]'`") from error
    rows = []
    for style in STYLES:
        folder = packages / style
        icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
        info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
        found = _by_plain_name(icons)
        for name in NAMES:
            if name.replace("-", "") not in found:
                raise UserError(f"icon set {style} has no icon named {name}: take it out of vocabulary.NAMES")
            svg = _svg(icons, found[name.replace("-", "")])
            png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE))
            rows.append(
                {
                    "name": name,
                    "style": style,
                    "png": png,
                    "licence": info["license"]["spdx"],
                    "package": f"@iconify-json/{style}",
                }
            )
    write_then_rename(out, lambda path: pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd"))
    return len(rows)


def read_sprites(path: Path) -> tuple[torch.Tensor, list[str], list[str]]:
    """Read sprites.

    Returns
    -------
    pixels : torch.Tensor
        float32 in [0, 1], shape (n, 4, 64, 64), RGBA.
    names, styles : list of str
        The object and the set of each sprite.
    """
    table, _ = read_table(path, ("name", "style", "png"))
    rows = table.to_pylist()
    pixels = []
    for row in rows:
        image = Image.open(io.BytesIO(row["png"])).convert("RGBA")
        pixels.append(
            torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(SIZE, SIZE, 4).permute(2, 0, 1)
        )
    return torch.stack(pixels).float() / 255, [row["name"] for row in rows], [row["style"] for row in rows]


def _by_plain_name(icons: dict) -> dict[str, str]:
    """Map an icon's name without dashes (the sets disagree on them) to the icon that draws it."""
    names = {name.replace("-", ""): name for name in icons["icons"]}
    for alias, target in icons.get("aliases", {}).items():
        names.setdefault(alias.replace("-", ""), target["parent"])
    return names


def _svg(icons: dict, name: str) -> str:
    icon = icons["icons"][name]
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    left, top = icon.get("left", 0), icon.get("top", 0)
    side = max(width, height)  # a square box: an icon that is not square stands in its middle
    left, top = left - (side - width) / 2, top - (side - height) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {side} {side}">{icon["body"]}</svg>'
    )

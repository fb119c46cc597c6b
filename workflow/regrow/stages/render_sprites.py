"""Stage `render_sprites`: rasterise the icon sets' shared objects."""

import logging
from pathlib import Path

from regrow.emoji.sprites import render_sprites


def run(packages: Path, out: Path) -> None:
    """Render the sprites of the emoji world from installed npm packages.

    Parameters
    ----------
    packages : Path
        Folder with one folder per icon set, ``node_modules/@iconify-json``.
    out : Path
        Parquet file of sprites.
    """
    logging.getLogger(__name__).info("%d sprites", render_sprites(packages, out))

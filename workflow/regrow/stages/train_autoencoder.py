"""Stage `train_autoencoder`: the emoji world's autoencoder, from sprites."""

from pathlib import Path
from typing import Any

from regrow.emoji.autoencoder import train_autoencoder
from regrow.emoji.training import Schedule, work_folder
from regrow.io.files import write_folder


def run(sprites: Path, schedule: dict[str, Any], work: Path, out: Path) -> None:
    """Train and save the autoencoder.

    Parameters
    ----------
    sprites : Path
        Parquet file of sprites.
    schedule : dict
        Fields of `regrow.emoji.training.Schedule`.
    work : Path
        Folder for checkpoints, learning curve and sample sheets; an interrupted run goes on from there.
    out : Path
        Folder to write, as ``save_pretrained`` does.
    """
    model = train_autoencoder(sprites, work_folder(work, sprites), Schedule.of(schedule))
    write_folder(out, model.save_pretrained)

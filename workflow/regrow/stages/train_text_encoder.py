"""Stage `train_text_encoder`: the emoji world's tokenizer and text encoder, from captions alone."""

from pathlib import Path
from typing import Any

from regrow.emoji.text_encoder import train_text_encoder
from regrow.emoji.training import Schedule, work_folder
from regrow.io.files import write_folder


def run(schedule: dict[str, Any], work: Path, out: Path) -> None:
    """Train and save the text encoder and its tokenizer.

    Parameters
    ----------
    schedule : dict
        Fields of `regrow.emoji.training.Schedule`.
    work : Path
        Folder for checkpoints and learning curve; an interrupted run goes on from there.
    out : Path
        Folder to write: ``text_encoder`` and ``tokenizer``.
    """
    encoder, tokenizer = train_text_encoder(work_folder(work), Schedule.of(schedule))

    def save(folder: Path) -> None:
        encoder.save_pretrained(folder / "text_encoder")
        tokenizer.save_pretrained(folder / "tokenizer")

    write_folder(out, save)

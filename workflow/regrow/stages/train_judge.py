"""Stage `train_judge`: one judge of the emoji world: object, style or clip; or attack_clip, which judges nothing."""

from pathlib import Path
from typing import Any

from regrow.emoji.judges import train_classifier, train_clip
from regrow.emoji.training import Schedule, work_folder
from regrow.errors import UserError, nearest
from regrow.io.files import write_folder

CLIPS = {"clip": "CLIP of the emoji world", "attack_clip": "CLIP of the attacks' own in the emoji world"}
JUDGES = ("object", "style", *CLIPS)


def run(sprites: Path, judge: str, schedule: dict[str, Any], start: Path | None, work: Path, out: Path) -> None:
    """Train a judge on scenes of real sprites and save it with its protocol.

    Parameters
    ----------
    sprites : Path
        Parquet file of sprites.
    judge : str
        ``object``, ``style``, ``clip`` or ``attack_clip``.
    schedule : dict
        Fields of `regrow.emoji.training.Schedule`.
    start : Path, optional
        A trained judge whose features the training begins with.
    work : Path
        Folder for checkpoints and learning curve; an interrupted run goes on from there.
    out : Path
        Folder to write.
    """
    if judge not in JUDGES:
        raise UserError(f"there is no judge '{judge}' of the emoji world: {nearest(judge, JUDGES)}")
    settings, work = Schedule.of(schedule), work_folder(work, judge, sprites, start)

    def save(folder: Path) -> None:
        if judge in CLIPS:
            train_clip(sprites, folder, work, settings, CLIPS[judge])
        else:
            train_classifier(sprites, judge, folder, work, settings, start)

    write_folder(out, save)

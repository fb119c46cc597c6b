"""How far the similarity to a prompt falls where the concept is not there: the base's images of a pack's own pairs."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from regrow.arithmetic import full_float32
from regrow.check.choice import Asked
from regrow.check.counting import Mean, mean
from regrow.check.drawing import STORE, Cell, draw
from regrow.check.setting import Setting
from regrow.errors import UserError
from regrow.images.index import prompt_of, read_index
from regrow.images.prompts import PromptSet, read_prompts
from regrow.images.store import ImageStore
from regrow.judge._pictures import batches
from regrow.judges import load_judge


def read_contrast(setting: Setting, world: Path, cell: Cell, n: int, folder: Path, device: str) -> Mean:
    """Return how far similarity to the prompts of a pack's scenes falls for images of the same scenes without it.

    Parameters
    ----------
    setting : Setting
        World and concept, whose first judge tells similarity.
    world : Path
        world.json of the base.
    cell : Cell
        The base.
    n : int
        Pairs at most.
    folder : Path
        Where images are kept.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        It does not fall: the judge does not see the concept.
    """
    scenes = list(zip(setting.concept.target, setting.concept.base, strict=True))[:n]
    path = folder / "pairs.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = [(scene, seed) for seed, pair in enumerate(scenes) for scene in pair]
        csv.writer(stream, lineterminator="\n").writerows([("prompt", "seed"), *rows])
    asked = PromptSet(name="pairs", scope="model", file=path.as_posix(), labels="none", sensitive=False)
    pairs = Asked(asked, read_prompts(path, asked), {})
    drawn = read_index(draw(setting, pairs, world, [cell], len(pairs.rows), folder, device)).rows
    # Both images of a scene are held against the prompt that asks for the concept.
    held = [replace(prompt_of(row), prompt=scenes[place // 2][0]) for place, row in enumerate(drawn)]
    name, judge_folder = next(iter(setting.own.judges.items()))
    judge = load_judge(judge_folder, device)
    size, seen = setting.params.score_images.batch, 0
    images = ImageStore(folder / STORE / "images").read(drawn[0]["model"], [(r["key"], r["digest"]) for r in drawn])
    with full_float32():
        for pictures in batches(images, size):
            judge.update(pictures, held[seen : seen + len(pictures)])
            seen += len(pictures)
    found = [row["similarity"] for row in judge.compute()]
    falls = [there - gone for there, gone in zip(found[::2], found[1::2], strict=True)]
    whole = mean(falls, setting.params.make_table.level)
    if whole.low <= 0:
        raise UserError(
            f"judge '{name}' does not see concept '{setting.concept.name}': images of {len(scenes)} scenes without it "
            f"are as similar to the scenes with it, but for {whole}: take a world with another judge, or draw more "
            "(--images)"
        )
    return whole

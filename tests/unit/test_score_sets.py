"""Judges of sets: one row per cell over all parts of a group, equal rows counted apart."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.images.index import read_index, write_index
from regrow.io.parquet import read_table
from regrow.stages import score_sets
from tests.unit.drawing import cell, draw, job, preserved_set, write_csv, write_drawn_world, write_model
from tests.unit.judging import BRIGHTNESS, SPREAD, add_type, write_judge


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with two parts of a group of two models; every prompt stands twice."""
    folder = tmp_path_factory.mktemp("world")
    world = write_drawn_world(folder)
    rows = [("prompt", "seed", "label"), *[("a cat in a garden", i % 3, "cat") for i in range(6)]]
    write_csv(folder / "preserved.csv", rows)
    cells = [cell(), cell(**write_model(world, folder / "model"))]
    for part in (0, 1):
        told = {"part": part, "first": 4 * part, "last": 4 * part + 4, "prompt_set": preserved_set(world)}
        draw(world, folder / f"{part}.parquet", job(*cells, **told))
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    add_type(monkeypatch, "spread", SPREAD)
    copy = shutil.copytree(drawn, tmp_path / "world", ignore=shutil.ignore_patterns("pipeline"))
    write_judge(copy / "judges/spread", type="spread")
    return copy


def score(folder: Path, *parts: int, name: str = "spread", out: str = "out.parquet") -> list[dict[str, Any]]:
    indexes = [folder / f"{part}.parquet" for part in parts or (0, 1)]
    judge = folder / "judges" / name
    score_sets.run(folder / "world.json", indexes, judge, name, folder / "store", 3, "cpu", folder / out)
    return read_table(folder / out)[0].to_pylist()


def test_one_row_per_cell(folder: Path) -> None:
    rows = score(folder)
    assert [row["role"] for row in rows] == ["pretrained", "erased"]
    for row in rows:
        assert (row["n"], row["n_distinct"]) == (6, 3)
        assert row["images"] == 6, "the judge sees what stands in the prompt set"
        assert 2 <= row["colours"] <= 3
        assert row["prompts"] == 1
    assert len({row["model"] for row in rows}) == 2
    metadata = read_table(folder / "out.parquet")[1]
    assert (metadata["judge"], metadata["part"], metadata["truncated"]) == ("spread", [0, 1], 0)
    assert set(metadata["models"]) == {row["model"] for row in rows}
    assert metadata["prompt_set"]["name"] == "preserved"


def test_the_order_of_the_parts_is_nothing(folder: Path) -> None:
    score(folder)
    score(folder, 1, 0, out="turned.parquet")
    assert (folder / "turned.parquet").read_bytes() == (folder / "out.parquet").read_bytes()


def test_a_known_score_is_reused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = score(folder)
    add_type(monkeypatch, "spread", SPREAD)  # its own class anew, of the same code
    monkeypatch.setattr("regrow.stages.score_sets.batches", lambda *_: pytest.fail("read an image"))
    assert score(folder) == rows
    with pytest.raises(pytest.fail.Exception):
        score(folder, 0)


def test_parts_that_do_not_belong_together(folder: Path) -> None:
    with pytest.raises(UserError, match="hold a row twice: give each part once"):
        score(folder, 0, 0)
    index = read_index(folder / "1.parquet")
    write_index(folder / "1.parquet", index.rows, {**index.metadata, "group": "cat"})
    with pytest.raises(UserError, match="differ in group: run generate_images again for both"):
        score(folder)
    with pytest.raises(UserError, match="needs the indexes of a group"):
        score_sets.run(
            folder / "world.json", [], folder / "judges/spread", "spread", folder, 3, "cpu", folder / "out.parquet"
        )


def test_a_cell_of_two_models(folder: Path) -> None:
    index = read_index(folder / "1.parquet")
    rows = [row for row in index.rows if row["role"] == "erased"]
    write_index(
        folder / "1.parquet", [{**row, "role": "pretrained", "published": "none"} for row in rows], index.metadata
    )
    with pytest.raises(UserError, match="are of two models: run generate_images again"):
        score(folder)


def test_a_judge_of_images_is_no_judge_of_sets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_type(monkeypatch, "brightness", BRIGHTNESS)
    write_judge(folder / "judges/brightness", type="brightness", factor=1.0)
    with pytest.raises(UserError, match="is a judge per image: use the stage score_images"):
        score(folder, name="brightness")


def test_a_judge_of_sets_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_type(monkeypatch, "spread", SPREAD.replace("len(self.seen)", "None"))
    with pytest.raises(UserError, match="gave NaN or nothing for 'images'"):
        score(folder)
    assert not (folder / "out.parquet").exists()

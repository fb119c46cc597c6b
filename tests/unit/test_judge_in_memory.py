"""Images that nobody keeps: judged by all judges while they are drawn, found by score_images, gone afterwards."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from regrow.errors import UserError
from regrow.images.index import read_index
from regrow.images.pixelated import picture_key, pixelated
from regrow.images.shards import scan
from regrow.images.store import ImageStore
from regrow.io.parquet import read_table
from regrow.stages import generate_images, judge_in_memory, score_images
from tests.unit.drawing import NUMERICS, SAMPLER, cell, job, write_csv, write_drawn_world, write_model
from tests.unit.judging import BRIGHTNESS, SPREAD, add_type, write_judge

ROWS = [("a street at night", 1), ("a tree", 2), ("a lake", 3), ("a lake", 3)]
SETTINGS = {"sampler": SAMPLER, "numerics": NUMERICS, "batch": 2, "device": "cpu"}
SETTINGS |= {"attention_slicing": False, "cpu_offload": False}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = write_drawn_world(tmp_path)
    write_csv(tmp_path / "asked.csv", [("prompt", "seed"), *ROWS])
    add_type(monkeypatch, "brightness", BRIGHTNESS)
    for name, factor in (("bright", 1.0), ("brighter", 2.0)):
        write_judge(tmp_path / name, type="brightness", factor=factor)
    return place


def asked(world: Path, *cells: dict[str, Any]) -> dict[str, Any]:
    prompts = {"name": "asked", "scope": "model", "labels": "none", "sensitive": True}
    rows = len(ROWS)
    found = job(*cells, prompt_set={**prompts, "file": str(world.parent / "asked.csv")}, last=rows)
    return {**found, "cells": [{**one, "label": None, "n": rows} for one in found["cells"]]}


def run(world: Path, judges: list[str], told: dict[str, Any] | None = None, name: str = "index") -> Path:
    folders = {judge: str(world.parent / judge) for judge in judges}
    out = world.parent / f"{name}.parquet"
    store = world.parent / "results/store"
    judge_in_memory.run(world, told or asked(world), folders, store, **SETTINGS, out=out)
    return out


def scores(world: Path, index: Path, judge: str) -> list[dict[str, Any]]:
    out = world.parent / f"{judge}.parquet"
    score_images.run(world, index, world.parent / judge, judge, world.parent / "results/store", 2, "cpu", out)
    rows: list[dict[str, Any]] = read_table(out)[0].to_pylist()
    return rows


def test_what_score_images_finds_is_what_it_would_have_said(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = asked(world, cell(), cell(**write_model(world, world.parent / "model")))
    index = run(world, ["bright", "brighter"], told)
    found = {judge: scores(world, index, judge) for judge in ("bright", "brighter")}
    assert not (world.parent / "results/store/images").exists(), "no image is kept"
    generate_images.run(world, told, world.parent / "kept", **SETTINGS, out=world.parent / "kept.parquet")
    ours, theirs = read_index(index), read_index(world.parent / "kept.parquet")
    assert ours.rows == theirs.rows and ours.metadata == theirs.metadata
    out = world.parent / "kept-scores.parquet"
    score_images.run(
        world, world.parent / "kept.parquet", world.parent / "bright", "b", world.parent / "kept", 2, "cpu", out
    )
    assert read_table(out)[0].to_pylist() == found["bright"]
    assert len(found["bright"]) == 2 * len(ROWS)
    caplog.set_level("INFO")
    assert read_index(run(world, ["bright", "brighter"], told, "again")).rows == ours.rows
    assert "0 images drawn" in caplog.text


def test_a_later_judge_means_drawing_again(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    index = run(world, ["bright"])
    with pytest.raises(UserError, match="lacks 3 images that an index names"):
        scores(world, index, "brighter")
    caplog.set_level("INFO")
    index = run(world, ["bright", "brighter"])
    assert "3 images drawn" in caplog.text
    assert len(scores(world, index, "brighter")) == len(ROWS)


def test_pictures_are_kept_pixelated_under_another_key(world: Path) -> None:
    rows = read_index(run(world, ["bright"])).rows
    folder = world.parent / "results/pixelated"
    kept = {row["key"]: row["png"] for _, row in scan(folder / rows[0]["model"], ("key", "png"))}
    assert set(kept) == {picture_key(row["key"]) for row in rows} and not set(kept) & {row["key"] for row in rows}
    for png in kept.values():
        assert len(Image.open(io.BytesIO(png)).getcolors() or []) == 1, "a picture of 32 pixels is one block"
    with pytest.raises(UserError, match="lacks 4 images"):
        list(ImageStore(folder).read(rows[0]["model"], [(row["key"], row["digest"]) for row in rows]))


def test_pixelation_leaves_blocks() -> None:
    image = Image.effect_noise((512, 384), 90).convert("RGB")
    shown = Image.open(io.BytesIO(pixelated(image)))
    assert shown.size == (512, 384)
    assert len(shown.getcolors(1 << 20) or []) <= 16 * 12
    assert shown.crop((32, 64, 64, 96)).getcolors() == [(32 * 32, shown.getpixel((40, 70)))]


def test_a_killed_run_goes_on_where_all_had_judged(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, broken = [], True
    module = judge_in_memory.read_protocol(world.parent / "brighter").module
    update = module.Judge.update

    def dies_in_the_second_batch(self: Any, images: list[Any], rows: list[Any]) -> None:
        seen.append(len(images))
        if broken and len(seen) == 4:  # two judges, two batches
            raise KeyboardInterrupt
        update(self, images, rows)

    monkeypatch.setattr(module.Judge, "update", dies_in_the_second_batch)
    with pytest.raises(KeyboardInterrupt):
        run(world, ["bright", "brighter"])
    assert not (world.parent / "index.parquet").exists()
    seen.clear()
    broken = False
    run(world, ["bright", "brighter"])
    assert seen == [1, 1], "the first batch was judged by both"


@pytest.mark.parametrize(("kind", "sentence"), [("set", "is a judge per set"), ("label", "compares labels")])
def test_judges_that_cannot(world: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sentence: str) -> None:
    source = SPREAD if kind == "set" else BRIGHTNESS.replace("NEEDS = ()", 'NEEDS = ("label",)')
    add_type(monkeypatch, "other", source)
    (write_judge(world.parent / "other", type="other", factor=1.0) / "judge.yaml").write_text(
        yaml.safe_dump({"type": "other", "factor": 1.0})
    )
    with pytest.raises(UserError, match=sentence):
        run(world, ["other"])

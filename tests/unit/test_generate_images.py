"""Images are a function of model, prompt, seed and sampler: not of batch, order, shard or interruption."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from regrow.errors import UserError
from regrow.generate import Sampler, image_key
from regrow.models import load_pipeline, save_delta
from regrow.prompts import Prompt
from regrow.stages import generate_images, get_world
from tests.tiny.make_world import make_world
from tests.unit.erased import write_judged_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged_world(tmp_path_factory.mktemp("world"))


def run(world: Path, out: Path, **changes: Any) -> list[dict[str, Any]]:
    settings: dict[str, Any] = {
        "recipe": "pretrained",
        "concept": "church",
        "prompt_sets": ["erased"],
        "model": None,
        "n": 6,
        "steps": 2,
        "guidance": 3.0,
        "batch": 4,
        "device": "cpu",
    }
    generate_images.run(world, **{**settings, **changes}, outs=[out])
    return pq.read_table(out).to_pylist()


def pixels(row: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])), dtype=int)


def test_batch_size_changes_no_image(world: Path, tmp_path: Path) -> None:
    one, eight = run(world, tmp_path / "1.parquet", batch=1), run(world, tmp_path / "8.parquet", batch=8)
    for a, b in zip(one, eight, strict=True):
        assert np.abs(pixels(a) - pixels(b)).max() <= 1
    assert len({row["digest"] for row in one}) == 6, "different seeds give different images"


def test_order_and_shard_change_no_image(world: Path, tmp_path: Path) -> None:
    shared = run(world, tmp_path / "any.parquet", concept="any", prompt_sets=["preserved"])
    own = run(world, tmp_path / "own.parquet", concept="rocket", prompt_sets=["preserved"], batch=3)
    by_case = {row["case"]: row for row in shared}
    assert {row["label"] for row in own} == {"church", "cat"}
    for row in own:
        assert np.abs(pixels(row) - pixels(by_case[row["case"]])).max() <= 1


def test_only_missing_images_are_made(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.parquet"
    first = run(world, out, n=4)
    asked: list[int] = []
    made = generate_images.generate

    def watch(pipeline: Any, rows: list[Prompt], *rest: Any) -> Any:
        asked.extend(row.case for row in rows)
        return made(pipeline, rows, *rest)

    monkeypatch.setattr(generate_images, "generate", watch)
    more = run(world, out, n=6)
    assert asked == [4, 5]
    assert more[:4] == first
    run(world, out, n=6, guidance=4.0)
    assert asked == [4, 5, *range(6)], "another sampler makes every image anew"


def test_a_run_of_fewer_images_loses_none(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.parquet"
    six = run(world, out, n=6)
    monkeypatch.setattr(
        generate_images, "generate", lambda _pipeline, rows, *_: iter([])
    )  # whatever is asked for fails
    assert run(world, out, n=4) == six
    assert run(world, out, n=6) == six
    monkeypatch.undo()
    assert len(run(world, out, n=4, guidance=4.0)) == 4, "images of another sampler are no surplus"


def test_another_noise_schedule_draws_every_image_anew(tmp_path: Path) -> None:
    make_world(tmp_path)
    parts = {name: tmp_path / name for name in ("pipeline", "judges", "concepts")}
    told, out = tmp_path / "world.json", tmp_path / "out.parquet"
    get_world.run("tiny", **parts, preserved=tmp_path / "preserved.csv", out=told)
    before = run(told, out)
    settings = tmp_path / "pipeline" / "scheduler" / "scheduler_config.json"
    settings.write_text(settings.read_text().replace('"epsilon"', '"v_prediction"'))
    after = run(told, out)
    assert {row["digest"] for row in before}.isdisjoint(row["digest"] for row in after)


def test_an_interrupted_run_goes_on(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(world, tmp_path / "whole.parquet", batch=2)
    made, out = generate_images.generate, tmp_path / "killed.parquet"

    def killed(*arguments: Any) -> Any:
        parts = made(*arguments)
        yield next(parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(generate_images, "generate", killed)
    with pytest.raises(KeyboardInterrupt):
        run(world, out, batch=2)
    assert not out.exists(), "nothing that looks finished"
    monkeypatch.undo()
    assert run(world, out, batch=2) == whole
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_shard_is_made_anew(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    whole = run(world, out)
    out.write_bytes(out.read_bytes()[:300])
    assert run(world, out) == whole


def test_the_model_under_audit_is_the_one_that_draws(world: Path, tmp_path: Path) -> None:
    told = json.loads(world.read_text())
    unet = load_pipeline(Path(told["pipeline"])).unet
    name = next(name for name, _ in unet.named_parameters() if name.endswith(".ff.net.2.weight"))
    weight = unet.state_dict()[name]
    save_delta(tmp_path / "model.safetensors", {name: weight * -3}, told["pipeline_digest"], {"test": True})
    base = run(world, tmp_path / "base.parquet")
    audited = run(world, tmp_path / "audited.parquet", model=tmp_path / "model.safetensors")
    assert {row["key"] for row in base}.isdisjoint(row["key"] for row in audited)
    assert any(a["digest"] != b["digest"] for a, b in zip(base, audited, strict=True))
    meta = json.loads(pq.read_schema(tmp_path / "audited.parquet").metadata[b"regrow"])
    assert meta["sampler"] == {"scheduler": "DDIMScheduler", "steps": 2, "guidance": 3.0}


def test_a_key_tells_everything_apart() -> None:
    sampler = Sampler("DDIMScheduler", 20, 5.0)
    row = Prompt(0, "a cat", 1, "cat")
    keys = {
        image_key("m", "x", row, sampler),
        image_key("m", "y", row, sampler),
        image_key("n", "x", row, sampler),
        image_key("m", "x", Prompt(0, "a dog", 1, "cat"), sampler),
        image_key("m", "x", Prompt(0, "a cat", 2, "cat"), sampler),
        image_key("m", "x", row, Sampler("DDIMScheduler", 21, 5.0)),
        image_key("m", "x", row, Sampler("DDIMScheduler", 20, 5.1)),
        image_key("m", "x", row, Sampler("PNDMScheduler", 20, 5.0)),
    }
    assert len(keys) == 8
    assert image_key("m", "x", Prompt(9, "a cat", 1, "other"), sampler) == image_key("m", "x", row, sampler)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"concept": "chruch"}, "did you mean 'church'"),
        ({"prompt_sets": ["both"]}, "valid are erased, preserved"),
        ({"n": 99}, "are needed: add rows, or lower n"),
    ],
)
def test_bad_cells(world: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run(world, tmp_path / "out.parquet", **changes)

"""Images are a function of model, prompt, seed, sampler and numerics; only what the store lacks is drawn."""

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.images import loading
from regrow.images.index import INDEX, check_index
from regrow.images.prompts import Prompt
from regrow.images.shards import SUFFIX
from regrow.images.store import ImageStore
from regrow.io.files import file_digest
from regrow.stages import _drawing
from tests.unit.drawing import (
    NUMERICS,
    SAMPLER,
    base_of,
    cell,
    draw,
    erased_set,
    job,
    overflow,
    preserved_set,
    write_csv,
    write_drawn_world,
    write_model,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def own(world: Path, tmp_path: Path) -> Path:
    """A copy of the world with an empty store, which a test may break."""
    shutil.copytree(world.parent, tmp_path / "own", ignore=shutil.ignore_patterns("store"))
    told = json.loads(world.read_text())
    told |= {"pipeline": str(tmp_path / "own/pipeline"), "concepts": str(tmp_path / "own/concepts")}
    (tmp_path / "own/world.json").write_text(json.dumps(told))
    return tmp_path / "own/world.json"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Cases that are drawn, a list for every model that has some."""
    cases: list[list[int]] = []
    made = _drawing.draw

    def watch(pipeline: Any, rows: list[Prompt], *rest: Any) -> Any:
        cases.append([row.case for row in rows])
        return made(pipeline, rows, *rest)

    monkeypatch.setattr(_drawing, "draw", watch)
    return cases


def test_an_index_says_what_its_images_are(world: Path, tmp_path: Path) -> None:
    index = draw(world, tmp_path / "0.parquet")
    place = base_of(world)
    assert [row["case"] for row in index.rows] == list(range(6))
    assert list(index.rows[0]) == INDEX.names
    first = index.rows[0]
    assert (first["concept"], first["role"], first["prompt_set"]) == ("church", "pretrained", "erased")
    assert (first["prompt"], first["label"], first["seed"]) == ("an emoji of a church", "church", 0)
    assert first["model"] == place.base
    check_index(index, place)
    told = index.metadata
    assert told["sampler"] == {"scheduler": "DDIMScheduler", **SAMPLER}
    assert told["numerics"] == NUMERICS
    assert told["models"] == {place.base: None}
    assert (told["audit"], told["group"], told["part"], told["truncated"]) == ("demo", "church", 0, 0)
    file = world.parent / "concepts/church/erased.csv"
    assert told["prompt_set"] == {
        **erased_set(columns={}, seed="column", balance="none", judges=[]),
        "digest": file_digest(file),
    }
    assert len({row["digest"] for row in index.rows}) == 6, "different seeds give different images"


def test_a_job_draws_only_what_the_store_lacks(own: Path, tmp_path: Path, asked: list[list[int]]) -> None:
    few = draw(own, tmp_path / "few.parquet", job(cell(n=4), last=4))
    more = draw(own, tmp_path / "more.parquet")
    assert asked == [[0, 1, 2, 3], [4, 5]]
    assert more.rows[:4] == few.rows
    draw(own, tmp_path / "again.parquet")
    assert len(asked) == 2, "nothing is missing"
    draw(own, tmp_path / "other.parquet", sampler={"steps": 2, "guidance": 4.0})
    assert asked[2:] == [list(range(6))], "another sampler makes every image anew"
    draw(own, tmp_path / "half.parquet", numerics={"dtype": "bfloat16"})
    assert asked[3:] == [list(range(6))], "and so do other numerics"


def test_nothing_is_loaded_when_nothing_is_missing(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = draw(own, tmp_path / "0.parquet")
    monkeypatch.setattr(loading, "load_base", lambda *_: pytest.fail("loaded"))
    assert draw(own, tmp_path / "1.parquet") == first.__class__(tmp_path / "1.parquet", first.rows, first.metadata)
    assert (tmp_path / "0.parquet").read_bytes() == (tmp_path / "1.parquet").read_bytes()


def test_one_pipeline_draws_many_models(
    own: Path, tmp_path: Path, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = loading.load_base
    monkeypatch.setattr(loading, "load_base", lambda *args: (loaded.append("base"), load(*args))[1])
    scaled, turned = (write_model(own, tmp_path / str(factor), factor) for factor in (-3.0, 0.0))
    cells = [cell(**scaled), cell(**turned, attack="none") | {"published": "turned"}, cell()]
    together = draw(own, tmp_path / "0.parquet", job(*cells))
    assert loaded == ["base"]
    assert len(asked) == 3
    for number, alone in enumerate(reversed(cells)):
        index = draw(own, tmp_path / f"{number}.parquet", job(alone), store=tmp_path / f"store{number}")
        assert index.rows == [row for row in together.rows if row["published"] == alone["published"]], (
            "nothing is left over"
        )
    by_model = {row["published"]: row["digest"] for row in together.rows if row["case"] == 0}
    assert len(set(by_model.values())) == 3, "the model under audit is the one that draws"
    assert sorted(together.metadata["models"].values(), key=str) == sorted(
        [None, file_digest(Path(scaled["record"])), file_digest(Path(turned["record"]))], key=str
    )


def test_an_interrupted_job_goes_on(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(own, tmp_path / "0.parquet", batch=2, store=tmp_path / "undisturbed")
    made, out = _drawing.draw, tmp_path / "killed.parquet"

    def killed(*arguments: Any) -> Any:
        parts = made(*arguments)
        yield next(parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(_drawing, "draw", killed)
    with pytest.raises(KeyboardInterrupt):
        draw(own, out, batch=2)
    assert not out.exists(), "nothing that looks finished"
    drawn: list[int] = []
    monkeypatch.setattr(_drawing, "draw", lambda p, rows, *rest: (drawn.append(len(rows)), made(p, rows, *rest))[1])
    draw(own, out, batch=2)
    assert drawn == [4], "one batch was kept"
    assert out.read_bytes() == (tmp_path / "0.parquet").read_bytes()
    assert whole.rows


def test_equal_rows_are_drawn_once(own: Path, tmp_path: Path, asked: list[list[int]]) -> None:
    rows = [("prompt", "seed", "label"), *[("an emoji of a church", i % 2, "church") for i in range(6)]]
    write_csv(own.parent / "concepts/church/erased.csv", rows)
    index = draw(own, tmp_path / "0.parquet")
    assert asked == [[0, 1]]
    assert len(index.rows) == 6
    assert [row["digest"] for row in index.rows] == [row["digest"] for row in index.rows[:2]] * 3


def test_a_part_is_a_range_of_the_selected_rows(own: Path, tmp_path: Path, asked: list[list[int]]) -> None:
    shared = preserved_set(own)
    whole = draw(own, tmp_path / "whole.parquet", job(prompt_set=shared))
    parts = [
        draw(own, tmp_path / f"{i}.parquet", job(prompt_set=shared, part=i, first=3 * i, last=3 * i + 3))
        for i in (0, 1)
    ]
    assert len(asked) == 1
    assert [row for part in parts for row in part.rows] == whole.rows
    assert "church" not in {row["label"] for row in whole.rows}
    with pytest.raises(UserError, match="part 2 of prompt set 'preserved' has no rows"):
        draw(own, tmp_path / "2.parquet", job(prompt_set=shared, part=2, first=6, last=9))


def test_the_shared_group_serves_every_concept(own: Path, tmp_path: Path) -> None:
    shared = preserved_set(own)
    every = draw(
        own,
        tmp_path / "any.parquet",
        job(cell(concept="any", label=None), group="pretrained", prompt_set=shared, last=99),
    )
    mine = draw(own, tmp_path / "own.parquet", job(prompt_set=shared), store=tmp_path / "other", batch=3)
    by_case = {row["case"]: row for row in every.rows}
    assert [row["key"] for row in mine.rows] == [by_case[row["case"]]["key"] for row in mine.rows]
    assert {row["concept"] for row in every.rows} == {"any"}


def test_learned_prompts_take_the_places_of_the_files(own: Path, tmp_path: Path, asked: list[list[int]]) -> None:
    learned = write_csv(tmp_path / "prompts.csv", [("case", "prompt"), *[(i, f"xq {i}") for i in range(6)]])
    plain, attacked = cell(), cell(role="attacked", attack="words", prompts=str(learned))
    index = draw(own, tmp_path / "0.parquet", job(plain, attacked))
    assert len(asked) == 2
    assert [row["prompt"] for row in index.rows[6:]] == [f"xq {i}" for i in range(6)]
    assert [row["seed"] for row in index.rows[6:]] == [row["seed"] for row in index.rows[:6]]
    assert index.metadata["learned"] == {learned.as_posix(): file_digest(learned)}
    write_csv(learned, [("case", "prompt"), (0, "xq")])
    with pytest.raises(UserError, match="has no prompt for case 1: run attack_prompts again"):
        draw(own, tmp_path / "1.parquet", job(attacked))


def test_prompts_that_are_cut_are_counted(own: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = "church " * 30
    rows = [("prompt", "seed", "label"), *[(long if i < 2 else "a church", i, "church") for i in range(6)]]
    write_csv(own.parent / "concepts/church/erased.csv", rows)
    with caplog.at_level(logging.INFO):
        index = draw(own, tmp_path / "0.parquet")
    assert index.metadata["truncated"] == 2
    assert "2 of 6 rows have a prompt of more than 24 tokens" in caplog.text


def test_a_model_that_draws_nan_erased_nothing(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "0.parquet"
    with pytest.raises(UserError, match="the model draws NaN or infinite numbers .* for case 0"):
        draw(own, out, job(cell(**overflow(own, tmp_path / "model"))))
    assert not out.exists()
    assert list((own.parent / "store").rglob(f"*{SUFFIX}")) == []


def test_images_are_found_under_their_keys(own: Path, tmp_path: Path) -> None:
    index = draw(own, tmp_path / "0.parquet")
    store = ImageStore(own.parent / "store/images")
    pairs = [(row["key"], row["digest"]) for row in index.rows]
    assert [(image.key, image.digest) for image in store.read(base_of(own).base, pairs)] == pairs


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (job(cell(concept="chruch")), "no concept pack in .*chruch"),
        (job(cell(n=99)), "only 12 rows to use where 99 are needed: add rows"),
        (job(cell(label="cat")), "case 0: the label is 'church', but the concept's is 'cat'"),
        (job(cell(), cell()), "names the cell church / pretrained / none / none twice"),
        (job(prompt_set=erased_set(file="none.csv")), "there is no prompt set .*church/none.csv"),
        (job(prompt_set={"name": "erased"}), "the job's prompt_set.scope is no good: field required"),
        (job(first=-1), "the job's first is no good"),
        (job(cell(model="none.safetensors")), "there is no none.safetensors"),
    ],
)
def test_bad_jobs(world: Path, tmp_path: Path, asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        draw(world, tmp_path / "out.parquet", asked)
    assert not (tmp_path / "out.parquet").exists()


def test_a_model_of_another_base_or_record(own: Path, tmp_path: Path) -> None:
    told = write_model(own, tmp_path / "model")
    other = write_model(own, tmp_path / "other", 2.0)
    with pytest.raises(UserError, match="record.json is of model .*make both again"):
        draw(own, tmp_path / "0.parquet", job(cell(**told | {"record": other["record"]})))
    place = {key: str(value) for key, value in asdict(base_of(own)).items()}
    own.write_text(json.dumps({**place, "base": "0" * 64}))
    with pytest.raises(UserError, match="belongs to base .* not to world 'tiny'"):
        draw(own, tmp_path / "0.parquet", job(cell(**told)))
    with pytest.raises(UserError, match="are not those of world.json any more: run index_world again"):
        draw(own, tmp_path / "0.parquet")

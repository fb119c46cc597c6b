"""What the screen drops is neither drawn nor told: by set, by concept, by what an attack learned; harmless words."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from regrow.concepts import Concept
from regrow.errors import UserError
from regrow.images.index import Index
from regrow.images.prompts import Prompt, PromptSet
from regrow.images.screen.apply import BOTH, lists_for, screen_rows
from regrow.images.screen.learned import mask_vocabulary, passes
from regrow.images.screen.packs import check_pack
from tests.unit.drawing import cell, draw, erased_set, job, preserved_set, write_csv, write_drawn_world

ROWS = ["a church", "a girl at a church", "maria and a boy", "a church by maria", "an old church", "a church in snow"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(drawn: Path, tmp_path: Path) -> Path:
    """The tiny world, with rows that the screen knows among those of the church."""
    shutil.copytree(drawn.parent, tmp_path / "own", ignore=shutil.ignore_patterns("store"))
    told = drawn.read_text().replace(str(drawn.parent), str(tmp_path / "own"))
    (tmp_path / "own/world.json").write_text(told)
    rows = [(text, i, "church") for i, text in enumerate(ROWS)]
    write_csv(tmp_path / "own/concepts/church/erased.csv", [("prompt", "seed", "label"), *rows])
    return tmp_path / "own/world.json"


def make_nude(world: Path) -> None:
    pack = world.parent / "concepts/church/concept.yaml"
    pack.write_text(pack.read_text().replace("kind: object", "kind: nudity"))


def cases(index: Index) -> list[int]:
    return [row["case"] for row in index.rows]


def test_which_lists_apply() -> None:
    plain, marked = (PromptSet.model_validate(erased_set(sensitive=sensitive)) for sensitive in (False, True))
    assert lists_for(plain, "object") == lists_for(plain) == lists_for(plain, "style") == ()
    assert lists_for(marked) == lists_for(marked, "object") == lists_for(plain, "nudity") == BOTH
    assert lists_for(plain, "object", learned=True) == ("minors",)
    assert lists_for(plain, "nudity", learned=True) == lists_for(marked, "object", learned=True) == BOTH


def test_rows_are_dropped_with_their_cases_and_a_row_may_be_on_both_lists() -> None:
    rows = [Prompt(10 + i, text, i, "") for i, text in enumerate(ROWS)]
    found = screen_rows(rows, BOTH)
    assert found.dropped == {"minors": [11, 12], "people": [12, 13]} and found.count == 3
    assert [row.case for row in found.rows] == [10, 14, 15]
    assert screen_rows(rows, ("minors",)).dropped == {"minors": [11, 12]}
    assert screen_rows(rows, ()).rows == rows


@pytest.mark.parametrize("role", ["pretrained", "erased", "control"])
def test_a_sensitive_set_is_screened_for_every_model(world: Path, tmp_path: Path, role: str) -> None:
    index = draw(world, tmp_path / "0.parquet", job(cell(role=role), prompt_set=erased_set(sensitive=True)))
    assert cases(index) == [0, 4, 5]
    assert index.metadata["screened"] == {"prompts": {"minors": [1, 2], "people": [2, 3]}}
    assert b"maria" not in (tmp_path / "0.parquet").read_bytes()


def test_a_set_that_is_not_marked_is_drawn_as_it_is(world: Path, tmp_path: Path) -> None:
    index = draw(world, tmp_path / "0.parquet")
    assert cases(index) == [0, 1, 2, 3, 4, 5] and "screened" not in index.metadata


def test_every_prompt_of_a_model_without_nudity_is_screened(world: Path, tmp_path: Path) -> None:
    make_nude(world)
    assert cases(draw(world, tmp_path / "0.parquet")) == [0, 4, 5]
    shared = preserved_set(world)
    rows = [(text, i, "rocket") for i, text in enumerate(ROWS)]
    write_csv(world.parent / "preserved.csv", [("prompt", "seed", "label"), *rows])
    asked = job(cell(), prompt_set=shared)
    assert cases(draw(world, tmp_path / "1.parquet", asked)) == [0, 4, 5]


def test_what_an_attack_learned_is_screened_for_minors_whatever_the_concept(world: Path, tmp_path: Path) -> None:
    texts = ["xq", "the g1rl xq", "xq", "xq maria", "boys", "xq"]
    learned = write_csv(tmp_path / "prompts.csv", [("case", "prompt"), *enumerate(texts)])
    attacked = cell(role="attacked", attack="words", prompts=str(learned))
    index = draw(world, tmp_path / "0.parquet", job(attacked))
    assert cases(index) == [0, 2, 3, 5]
    assert index.metadata["screened"] == {"prompts": {}, learned.as_posix(): {"minors": [1, 4]}}
    make_nude(world)
    index = draw(world, tmp_path / "1.parquet", job(attacked))
    assert cases(index) == [0, 5], "the set's own row is asked first, then what took its place"
    assert index.metadata["screened"][learned.as_posix()] == {"minors": [4], "people": []}


def test_a_set_without_a_row_left_is_told(world: Path, tmp_path: Path) -> None:
    rows = [(text, i, "church") for i, text in enumerate(ROWS[1:3] * 3)]
    write_csv(world.parent / "concepts/church/erased.csv", [("prompt", "seed", "label"), *rows])
    said = r"no row is left of part 0 of prompt set 'erased' \(.*\) once it is screened \(minors 6, people 3\)"
    with pytest.raises(UserError, match=said):
        draw(world, tmp_path / "0.parquet", job(prompt_set=erased_set(sensitive=True)))


def concept(**changes: Any) -> Concept:
    find = {"base": ["a man", "a couple"], "target": ["a tall man", "a tall couple"]}
    settings = {"name": "tall", "kind": "nudity", "label": "tall", "find": find}
    return Concept.model_validate({**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"find": {"base": ["a man"], "target": ["a tall boy"]}}, r"find.target\[0\] is on .* list of minors"),
        ({"find": {"base": ["a man", "maria"], "target": ["a", "b"]}}, r"find.base\[1\] is on .* list of people"),
        ({"words": {"tokens": ["tall"], "synonyms": ["teen"]}}, r"words.synonyms\[0\] is on .* list of minors"),
        ({"retain": ["", "a student"]}, r"retain\[1\] is on .* list of minors"),
        ({"anchor": "mrs smithers"}, "anchor is on .* list of people"),
    ],
)
def test_a_pack_of_kind_nudity_is_screened_too(changes: dict[str, Any], said: str) -> None:
    check_pack(concept(), Path("pack"))
    with pytest.raises(UserError, match=f"pack: {said}"):
        check_pack(concept(**changes), Path("pack"))
    check_pack(concept(**changes, kind="object"), Path("pack"))


def test_a_pack_is_looked_at_before_its_models_draw(world: Path, tmp_path: Path) -> None:
    make_nude(world)
    pack = world.parent / "concepts/church/concept.yaml"
    pack.write_text(pack.read_text() + "anchor: a schoolboy\n")
    with pytest.raises(UserError, match="church/concept.yaml: anchor is on the screen's list of minors"):
        draw(world, tmp_path / "0.parquet")


def test_screened_words_are_taken_out_of_a_vocabulary() -> None:
    words = ["church</w>", "girl</w>", "Ġgirls", "girlfriend</w>", "te", "en</w>", "▁kid", "maria</w>", "k1d</w>", "!"]
    assert mask_vocabulary(words) == [True, False, False, True, True, True, False, False, False, True]
    assert mask_vocabulary(words, ("minors",))[7]
    assert passes("a church in snow") and not passes("a te en church") and passes("xq maria", ("minors",))

"""Prompt sets: files as the world writes them, which rows are drawn, and every bad file in one sentence."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from regrow.concepts import read_concept
from regrow.errors import UserError
from regrow.images.prompts import (
    Prompt,
    PromptSet,
    distinct,
    read_learned,
    read_prompts,
    select_rows,
)

EMOJI = Path("data/emoji")
AUDITED = (
    "airplane bell cloud guitar helicopter key palm-tree umbrella bicycle crescent-moon dolphin birthday-cake".split()
)
PAPER_FILES = os.environ.get("REGROW_PAPER_FILES")


def make_set(**changes: Any) -> PromptSet:
    settings = {"name": "preserved", "scope": "model", "file": "p.csv", "labels": "others", "sensitive": False}
    return PromptSet.model_validate({**settings, **changes})


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.csv"


ROWS = [Prompt(0, "a rocket", 100, "rocket"), Prompt(1, "a rocket, on a beach", 101, "rocket")]


@pytest.mark.parametrize(
    "text",
    [
        'prompt,seed,label\na rocket,100,rocket\n"a rocket, on a beach",101,rocket\n',
        'prompt,seed,label\r\n\r\na rocket,100,rocket\r\n"a rocket, on a beach",101,rocket\r\n\r\n',
        '\ufeffprompt,seed,label\na rocket,100,rocket\n"a rocket, on a beach",101,rocket',
        "prompt;seed;label\na rocket;100;rocket\na rocket, on a beach;101;rocket\n",
        "prompt\tseed\tlabel\na rocket\t100\trocket\na rocket, on a beach\t101\trocket\n",
        'prompt, seed, label\na rocket, 100, rocket\n"a rocket, on a beach", 101, rocket\n',
        'Prompt,SEED,Label\na rocket,100,rocket\n"a rocket, on a beach",101,rocket\n',
        'prompt,seed,label\na rocket,100,rocket\n"a rocket, on a beach",101,rocket\n,,\n , ,\n',
        ',case_number,prompt,class,evaluation_seed\n0,0,a rocket,rocket,100\n1,1,"a rocket, on a beach",rocket,101\n',
        'x,x,prompt,seed,artists\n1,2,a rocket,100,rocket\n1,2,"a rocket, on a beach",101,rocket\n',
    ],
    ids="plain crlf bom semicolons tabs header-blanks header-case spreadsheet-tail paper doubled-unread".split(),
)
def test_the_same_rows_in_whatever_shape(path: Path, text: str) -> None:
    assert read_prompts(write(path, text)) == ROWS


def test_a_prompt_may_span_lines(path: Path) -> None:
    rows = read_prompts(write(path, 'prompt,seed,label\n"two\nlines",1,cat\nx,2,cat\n'))
    assert [row.prompt for row in rows] == ["two\nlines", "x"]
    with pytest.raises(UserError, match="line 4: the seed 'x'"):
        read_prompts(write(path, 'prompt,seed,label\n"two\nlines",1,cat\ny,x,cat\n'))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prompt,seed\na,1\n", "no column 'label' but prompt, seed"),
        ("", "holds no rows below a header"),
        ("prompt,seed,label\n", "holds no rows below a header"),
        ("prompt,seed,label\n,,\n", "holds no rows below a header"),
        ("seed,label,prompt\n1,cat,a cat\n2,cat,a cat, on a beach\n", "line 3: 4 fields where the header has 3"),
        ("seed,label,prompt\n1,cat,a cat\n2,cat,a cat,\n", "line 3: 4 fields where the header has 3"),
        ("prompt,seed,label\na cat,1\n", "line 2: 2 fields where the header has 3"),
        ("prompt,seed,label\n ,1,cat\n", "line 2: the prompt is blank"),
        ("prompt,seed,label\na,1,cat\n,,\na,1,cat\n", "line 3: the prompt is blank"),
        ("prompt,seed,label\na,1,cat\na,-3,cat\n", "line 3: the seed '-3'"),
        ("prompt,seed,label\na,1.5,cat\n", "line 2: the seed '1.5'"),
        ("prompt,seed,label\na,100.0,cat\n", "line 2: the seed '100.0' is no whole number"),
        ("prompt,seed,label\na,١,cat\n", "line 2: the seed "),
        (f"prompt,seed,label\na,{2**63},cat\n", r"is no whole number from 0 to 2\^63 - 1"),
        (f"prompt,seed,label\na,{10**30},cat\n", r"is no whole number from 0 to 2\^63 - 1"),
        ("prompt,seed,label\na,1,\n", "line 2: the label is blank"),
        ("prompt,seed,label\na,1,rocket\u200b\n", r"the label 'rocket\\u200b' holds '\\u200b'"),
        ("prompt,seed,label,prompt\na,1,cat,b\n", "has the column 'prompt' 2 times"),
        ("prompt,Label,seed,label\na,dog,1,cat\n", "has the column 'label' 2 times"),
        ("prompt,seed,evaluation_seed,label\na,0,9000,cat\n", "seed, evaluation_seed, and each may be the seed"),
        ("prompt,seed,label,class\na,0,cat,dog\n", "label, class, and each may be the label"),
        ('prompt,seed,label\n"a cat,1,cat\nb,2,cat\n', "is no CSV file in UTF-8"),
        (f"prompt,seed,label\n{'a' * 200_000},1,cat\n", "is no CSV file in UTF-8"),
    ],
)
def test_bad_files(path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_prompts(write(path, text))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding(path: Path, encoding: str) -> None:
    with pytest.raises(UserError, match="is no CSV file in UTF-8"):
        read_prompts(write(path, "prompt,seed,label\na café,1,café\n", encoding))


def test_a_missing_file(tmp_path: Path) -> None:
    for absent in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UserError, match="there is no prompt set"):
            read_prompts(absent)


def test_the_largest_seed(path: Path) -> None:
    assert read_prompts(write(path, f"prompt,seed,label\nx,{2**63 - 1},a\n"))[0].seed == 2**63 - 1


def test_a_column_map_decides_between_rivals(path: Path) -> None:
    write(path, "Text,seed,evaluation_seed,class,kind\na cat,0,9000,animal,cat\n")
    columns = {"prompt": "text", "seed": "evaluation_seed", "label": "kind"}
    assert read_prompts(path, make_set(columns=columns)) == [Prompt(0, "a cat", 9000, "cat")]
    with pytest.raises(UserError, match="no column 'knd': did you mean 'kind'"):
        read_prompts(path, make_set(columns={**columns, "label": "knd"}))


def test_one_seed_for_all_rows(path: Path) -> None:
    write(path, "prompt,evaluation_seed,label\na cat,2219,cat\na dog,4965,dog\n")
    assert [row.seed for row in read_prompts(path, make_set(seed=0))] == [0, 0]
    assert read_prompts(write(path, "prompt,label\na cat,cat\n"), make_set(seed=7)) == [Prompt(0, "a cat", 7, "cat")]


def test_rows_without_labels(path: Path) -> None:
    write(path, "prompt,seed,label\na cat,1,cat\na dog,2,dog\n")
    rows = read_prompts(path, make_set(labels="none"))
    assert [row.label for row in rows] == ["", ""]
    assert select_rows(make_set(labels="none"), rows, None, 1) == rows[:1]
    own = make_set(labels="concept", scope="concept")
    write(path, "prompt,seed\na church,1\n")
    assert select_rows(own, read_prompts(path, own), "church", 1) == [Prompt(0, "a church", 1, "church")]


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        ("case_number,prompt,seed,label\n7,a,1,x\n3,b,2,x\n", [7, 3]),
        ("image_id,prompt,seed,label\n000000203564,a,1,x\n000000179765,b,2,x\n", [203564, 179765]),
        ("case_number,prompt,seed,label\n7,a,1,x\n7,b,2,x\n", [0, 1]),
        ("case_number,prompt,seed,label\n7,a,1,x\nu,b,2,x\n", [0, 1]),
        ("case_number,prompt,seed,label\n7,a,1,x\n07,b,2,x\n", [0, 1]),
    ],
)
def test_a_list_keeps_its_own_numbers_when_they_are_unique(path: Path, text: str, cases: list[int]) -> None:
    assert [row.case for row in read_prompts(write(path, text))] == cases


def test_a_column_that_is_named_as_the_case_must_number_the_rows(path: Path) -> None:
    write(path, "number,prompt,seed,label\n7,a,1,x\n7,b,2,x\n")
    with pytest.raises(UserError, match="'number' does not number the rows"):
        read_prompts(path, make_set(columns={"case": "number"}))


def test_learned_prompts(path: Path) -> None:
    assert read_learned(write(path, 'case,prompt\n7,"a cat, xq"\n3,zz\n')) == {7: "a cat, xq", 3: "zz"}
    with pytest.raises(UserError, match="'case' does not number the rows"):
        read_learned(write(path, "case,prompt\n7,a\n7,b\n"))


def test_labels_are_compared_without_case_and_composition() -> None:
    own = make_set(labels="concept", scope="concept")
    rows = [Prompt(0, "x", 0, "Cafe\u0301"), Prompt(1, "y", 1, "french horn")]
    assert select_rows(own, rows[:1], "caf\u00e9", 1)[0].label == "caf\u00e9", "the concept's own spelling"
    assert select_rows(make_set(), rows, "French horn", 1) == rows[:1]
    with pytest.raises(UserError, match=r"case 1: the label is 'french horn', but the concept's is 'caf\\xe9'"):
        select_rows(own, rows, "café", 2)


def test_labels_take_turns() -> None:
    sorted_file = [Prompt(i, "x", i, label) for i, label in enumerate("bbbbaaaacccc")]
    in_turn = make_set(balance="round_robin")
    assert [row.case for row in select_rows(in_turn, sorted_file, "a", 4)] == [0, 1, 8, 9]
    assert [row.case for row in select_rows(in_turn, sorted_file, "b", 3)] == [4, 5, 8]
    assert [row.case for row in select_rows(make_set(), sorted_file, "a", 4)] == [0, 1, 2, 3]
    shared = select_rows(in_turn, sorted_file, None, 4)
    assert [row.case for row in shared] == [0, 1, 4, 5, 8, 9], "what any concept needs"
    for label in "abc":
        assert select_rows(in_turn, shared, label, 4) == select_rows(in_turn, sorted_file, label, 4)


@pytest.mark.parametrize("balance", ["none", "round_robin"])
def test_emoji_draws_the_rows_of_the_first_edition(balance: str) -> None:
    rows = read_prompts(EMOJI / "preserved.csv")
    preserved = make_set(balance=balance, file=str(EMOJI / "preserved.csv"))
    for name in AUDITED:
        concept = read_concept(EMOJI / "concepts" / name)
        for n in (48, 100):
            first = [row for row in rows if row.label != concept.label][:n]
            assert select_rows(preserved, rows, concept.label, n) == first
        own_set = make_set(labels="concept", scope="concept")
        own = read_prompts(EMOJI / "concepts" / name / "erased.csv", own_set)
        assert select_rows(own_set, own, concept.label, 100) == own[:100]


def test_too_few_rows() -> None:
    rows = [Prompt(0, "x", 0, "a"), Prompt(1, "x", 1, "b")]
    for prompt_set, label, n in (
        (make_set(), "a", 2),
        (make_set(balance="round_robin"), "a", 2),
        (make_set(), None, 2),
        (make_set(labels="none"), None, 3),
        (make_set(labels="none"), None, 0),
    ):
        with pytest.raises(UserError, match=f"where {n} are needed: add rows"):
            select_rows(prompt_set, rows, label, n)
    with pytest.raises(UserError, match="needs the concept's label"):
        select_rows(make_set(labels="concept", scope="concept"), rows, None, 1)


def test_a_shared_file_may_hold_every_concepts_own_rows() -> None:
    rows = [Prompt(i, "x", i, label) for i, label in enumerate(("Horn", "cat", "horn", "cat"))]
    own = make_set(labels="concept")
    assert select_rows(own, rows, "horn", 2) == [Prompt(0, "x", 0, "horn"), Prompt(2, "x", 2, "horn")]
    assert [row.case for row in select_rows(own, rows, None, 1)] == [0, 1]
    with pytest.raises(UserError, match="only 2 rows to use where 3 are needed"):
        select_rows(own, rows, "cat", 3)
    with pytest.raises(UserError, match="only 0 rows to use"):
        select_rows(own, rows, "dog", 1)


def test_equal_rows_are_one_image() -> None:
    rows = [Prompt(0, "x", 1, "a"), Prompt(1, "y", 1, "a"), Prompt(2, "x", 1, "a"), Prompt(3, "x", 2, "a")]
    assert [row.case for row in distinct(rows)] == [0, 1, 3]


@pytest.mark.parametrize(
    "changes",
    [{"sensitive": None}, {"seed": -1}, {"seed": "row"}, {"seed": True}, {"balance": "fair"}, {"columns": {"x": "y"}}],
)
def test_bad_settings(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_set(**changes)


@pytest.mark.paper_files
@pytest.mark.skipif(not PAPER_FILES, reason="REGROW_PAPER_FILES does not name the folder of the papers' prompt files")
class TestPapers:
    """The papers' own files, as they are."""

    folder = Path(PAPER_FILES or "")

    def test_every_file(self) -> None:
        own = make_set(labels="concept", scope="concept")
        lengths = {path.name: len(read_prompts(path, own)) for path in sorted(self.folder.glob("*.csv"))}
        assert lengths["coco_30k.csv"] == 30_000
        assert lengths["imagenette.csv"] == 6500
        assert {lengths[name] for name in lengths if name.startswith(("test_", "mua_"))} == {50}

    def test_imagenette(self) -> None:
        path = self.folder / "imagenette.csv"
        rows = read_prompts(path)
        assert len(distinct(rows)) == 6340
        preserved = make_set(balance="round_robin", file="imagenette.csv")
        for label in {row.label for row in rows} - {"garbage truck"}:
            chosen = select_rows(preserved, rows, label, 6000)
            assert set(Counter(row.label for row in chosen).values()) == {500}
            assert len({row.label for row in chosen} - {label}) == 12
            erased = select_rows(make_set(labels="concept"), rows, label.upper(), 500)
            assert [row.seed for row in erased] == [row.seed for row in rows if row.label == label]
        assert len(select_rows(preserved, rows, None, 6000)) == 6500

    def test_coco(self) -> None:
        rows = read_prompts(self.folder / "coco_30k.csv", make_set(labels="none"))
        assert (rows[0].case, rows[0].seed, rows[0].label) == (203564, 41337, "")
        assert len({row.case for row in rows}) == len(distinct(rows)) == 30_000

"""Prompt sets: columns of this project and of the paper, selection of rows, and every bad file in one sentence."""

from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.prompts import erased_rows, preserved_rows, read_prompts


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_own_columns_and_those_of_the_paper(tmp_path: Path) -> None:
    own = read_prompts(write(tmp_path / "a.csv", 'prompt,seed,label\n"a cat, sitting",7,cat\n'))
    paper = read_prompts(
        write(tmp_path / "b.csv", 'case_number,prompt,class,evaluation_seed\n0,"a cat, sitting",cat,7\n')
    )
    assert own == paper
    assert (own[0].case, own[0].prompt, own[0].seed, own[0].label) == (0, "a cat, sitting", 7, "cat")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prompt,seed\na,1\n", "no column 'label' but prompt, seed"),
        ("", "no column 'prompt' but nothing"),
        ("prompt,seed,label\n", "holds no prompts"),
        ("prompt,seed,label\n ,1,cat\n", "row 1: the prompt is blank"),
        ("prompt,seed,label\na,1,cat\na,-3,cat\n", "row 2: the seed '-3'"),
        ("prompt,seed,label\na,1.5,cat\n", "row 1: the seed '1.5'"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_prompts(write(tmp_path / "p.csv", text))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no prompt set"):
        read_prompts(tmp_path / "none.csv")


def test_rows_about_other_things(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "prompt,seed,label\n" + "".join(f"x,{i},{'abc'[i % 3]}\n" for i in range(9)))
    rows = read_prompts(path)
    assert [row.seed for row in preserved_rows(rows, 4, path, "a")] == [1, 2, 4, 5]
    shared = preserved_rows(rows, 4, path, None)
    assert [row.seed for row in shared] == list(range(6)), "the shortest beginning that serves every label"
    for label in "abc":
        assert preserved_rows(shared, 4, path, label) == preserved_rows(rows, 4, path, label)


def test_too_few_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "prompt,seed,label\nx,0,a\nx,1,b\n")
    rows = read_prompts(path)
    for select in (
        lambda: erased_rows([row for row in rows if row.label == "a"], 3, path, "a"),
        lambda: preserved_rows(rows, 2, path, "a"),
        lambda: preserved_rows(rows, 2, path, None),
    ):
        with pytest.raises(UserError, match="are needed: add rows, or lower n"):
            select()


def test_a_row_of_another_label_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "prompt,seed,label\nx,0,cat\ny,1,dog\n")
    with pytest.raises(UserError, match="row 2: the label is 'dog', but the concept's is 'cat'"):
        erased_rows(read_prompts(path), 1, path, "cat")


def test_files_of_a_spreadsheet(tmp_path: Path) -> None:
    text = "prompt,seed,label\na café,1,café\n"
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8-sig")
    assert read_prompts(path)[0].label == "café"
    for encoding in ("latin-1", "utf-16"):
        path.write_text(text, encoding=encoding)
        with pytest.raises(UserError, match="is no CSV file in UTF-8"):
            read_prompts(path)
    write(path, f"prompt,seed,label\n{'a' * 200_000},1,cat\n")
    with pytest.raises(UserError, match="is no CSV file in UTF-8"):
        read_prompts(path)


@pytest.mark.parametrize("seed", [2**63, 10**30])
def test_a_seed_that_no_generator_takes(tmp_path: Path, seed: int) -> None:
    with pytest.raises(UserError, match=r"is no whole number from 0 to 2\^63 - 1"):
        read_prompts(write(tmp_path / "p.csv", f"prompt,seed,label\nx,{seed},a\n"))
    assert read_prompts(write(tmp_path / "p.csv", f"prompt,seed,label\nx,{2**63 - 1},a\n"))[0].seed == 2**63 - 1

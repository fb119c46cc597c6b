"""CONTRIBUTING.md, taken at its word: every addition in one copy of the repository, one run, every new row."""

import csv
import re
from pathlib import Path

import pytest

from regrow.io.safetensors import read_header
from tests.snippets import Snippet, apply, snippets

ROOT = Path(__file__).parents[2]
TOY = "data/tiny"  # the copy has the tiny world where the repository has the emoji world
# What design.md promises for each addition: files by kind, beside one entry in a file that is there.
PROMISED = {
    "A world": ["config/worlds/toy.yaml"],
    "A concept": [f"{TOY}/concepts/my-rocket/concept.yaml", f"{TOY}/concepts/my-rocket/erased.csv"],
    "A prompt set": [f"{TOY}/scenes.csv"],
    "A judge of images": ["judge/brightness.py", f"{TOY}/judges/brightness/judge.yaml", "test_brightness.py"],
    "A judge of a set": ["judge/spread.py", f"{TOY}/judges/spread/judge.yaml", "test_spread.py"],
    "An eraser that prunes": ["erase/largest.py", "test_largest.py"],
    "An eraser that trains": ["erase/swap_word.py", "test_swap_word.py"],
    "A defence": ["defend/decoys.py", "test_decoys.py"],
    "A mask inference": ["infer/near_zero.py", "test_near_zero.py"],
    "A completer": ["complete/row_mean.py", "test_row_mean.py"],
    "An attack on weights": ["attack/fill.py", "test_fill.py"],
    "An attack with prompts": ["attack/repeat_word.py", "test_repeat_word.py"],
    "An oracle": ["oracle/restore.py", "test_restore.py"],
    "A table": ["tables/ours/looks.py", "test_looks.py"],
    "An audit": ["config/audits/mine.yaml"],
}
METHODS = {"An eraser that prunes", "An eraser that trains", "A defence", "A mask inference", "A completer"}
METHODS |= {"An attack on weights", "An attack with prompts", "An oracle"}
MODELS = [
    ("pretrained", "none", "none"),
    ("erased", "cut", "none"),
    ("attacked", "cut", "filled"),
    ("attacked", "cut", "repeated"),
    ("oracle", "cut", "half"),
    ("erased", "swapped", "none"),
    ("attacked", "swapped", "repeated"),
    ("erased", "hidden", "none"),
    ("attacked", "hidden", "filled"),
    ("attacked", "hidden", "repeated"),
    ("oracle", "hidden", "half"),
]


def sections() -> dict[str, list[Snippet]]:
    """Return the blocks of CONTRIBUTING.md by heading, with the tiny world's folder in place of the emoji world's."""
    text = (ROOT / "CONTRIBUTING.md").read_text().replace("data/emoji", TOY)
    found = {}
    for part in re.split(r"^#+ (?=[^\n]+\n\n)", text, flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        blocks = snippets(body)
        if blocks:
            found[title] = blocks
    return found


def full_path(promised: str) -> str:
    if promised.startswith(("data/", "config/")):
        return promised
    return f"tests/unit/{promised}" if promised.startswith("test_") else f"workflow/regrow/{promised}"


def test_each_addition_costs_what_is_promised() -> None:
    found = sections()
    assert list(found) == list(PROMISED)
    for title, blocks in found.items():
        assert [block.path for block in blocks if not block.added] == [full_path(name) for name in PROMISED[title]]
        changed = {block.path for block in blocks if block.added}
        assert changed == ({"params.yaml"} if title in METHODS else changed & {"config/worlds/toy.yaml"}), title


@pytest.fixture(scope="module")
def grown(unrun, tmp_path_factory):
    """A copy of the repository with everything added, run once."""
    copy = unrun.copied(tmp_path_factory.mktemp("grown") / "repository")
    made = [block.path for blocks in sections().values() for block in blocks if apply(block, copy.folder)]
    changed = copy.git("status", "--porcelain", "--untracked-files=all").splitlines()
    added = {line[3:] for line in changed if line.startswith("??")}
    assert added == set(made)
    assert {line[3:] for line in changed if not line.startswith("??")} == {"params.yaml"}
    copy.snakemake("--config", "audit=mine")
    return copy


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def address(row: dict[str, str]) -> tuple[str, str, str]:
    return row["role"], row["published"], row["attack"]


def test_every_model_has_its_row_in_table_1(grown) -> None:
    table = rows(grown.folder / "results/audits/mine/tables/roots/table1.csv")
    own = [row for row in table if row["concept"] == "my-rocket" and row["prompt_set"] == "erased"]
    drawn = [row for row in own if row["n"]]
    assert sorted(map(address, drawn)) == sorted(MODELS)
    assert {(row["n"], row["n_distinct"]) for row in drawn} == {("3", "3")}
    blank = [address(row) for row in own if not row["n"]]
    assert sorted(blank) == [("attacked", "swapped", "filled"), ("oracle", "swapped", "half")]


def test_the_mask_was_inferred_by_the_new_method(grown) -> None:
    completed = sorted(grown.folder.glob("results/toy/complete_weights/**/completed.safetensors"))
    assert len(completed) == 2, "of cut and hidden; a mask is no method for what was trained"
    for file in completed:
        assert read_header(file)["mask"]["method"] == "near_zero"


def test_both_judges_and_the_prompt_set_are_in_the_new_table(grown) -> None:
    folder = grown.folder / "results/audits/mine"
    table = rows(folder / "tables/ours/looks.csv")
    assert sorted(map(address, table)) == sorted(MODELS)
    assert {row["prompt_set"] for row in table} == {"scenes"}
    assert all(0 < float(row["brightness"]) < 1 and float(row["spread"]) > 0 for row in table)
    assert (folder / "figures/ours/looks.png").stat().st_size > 1000
    assert "Brightness and spread" in (folder / "report.html").read_text()


def test_the_tests_of_the_additions_pass(grown) -> None:
    tests = [full_path(name) for names in PROMISED.values() for name in names if name.startswith("test_")]
    said = grown.run("pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *tests)
    assert f"{len(tests)} passed" in said, said

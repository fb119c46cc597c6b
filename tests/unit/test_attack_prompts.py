"""The stage `attack_prompts` with a made-up attack."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import Field

from regrow.errors import UserError
from regrow.images.prompts import Prompt, read_learned
from regrow.io.files import read_json
from regrow.methods import MethodOptions
from regrow.model.published import PublishedModel
from regrow.stages import attack_prompts
from regrow.work import Work
from tests.unit.erasing import Published

SET = {"name": "erased", "scope": "concept", "file": "erased.csv", "labels": "concept", "sensitive": False}


class Options(MethodOptions):
    """Options of a made-up attack."""

    suffix: str = Field(description="put behind every prompt")


@pytest.fixture
def results(add_method: Callable[..., ModuleType]) -> list[list[str]]:
    """Fill it to let the attack return something else."""
    results: list[list[str]] = []

    def append(model: PublishedModel, prompts: list[Prompt], options: Options, work: Work) -> list[str]:
        assert model.pipeline is not None
        return results[0] if results else [f"{row.prompt}, {options.suffix}" for row in prompts]

    constants = {"RETURNS": "prompts", "NEEDS_COMPLETER": False, "APPLIES_TO": ("pruning", "training")}
    add_method("attack", "append", append, Options, KNOWLEDGE=("nothing",), **constants)
    return results


PROMPTS = 'prompt,seed\na church,1\n"a church, again",2\na third church,3\n'


def attack(
    church: Published,
    out: Path,
    prompt_set: dict[str, Any] = SET,
    n: int = 2,
    text: str = PROMPTS,
    label: str = "church",
) -> Path:
    prompts = out.with_name("erased.csv")
    prompts.write_text(text)
    arguments = ("entry", "append", {"suffix": "red, again"}, None, prompt_set, prompts, label, n)
    files = (out, out.with_suffix(".json"))
    attack_prompts.run(church.world, church.model, *arguments, out.with_name("scratch"), "cpu", *files)
    return out


def test_a_prompt_for_every_row(church: Published, tmp_path: Path, results: list[list[str]]) -> None:
    out = attack(church, tmp_path / "prompts.csv")
    assert read_learned(out) == {0: "a church, red, again", 1: "a church, again, red, again"}
    record, published = read_json(tmp_path / "prompts.json", "record"), read_json(church.record, "record")
    assert record == {
        "model": published["model"],
        "published_model": published["model"],
        "base": published["base"],
        "attack": {"name": "entry", "method": "append", "suffix": "red, again"},
        "completer": None,
        "knowledge": ["nothing"],
        "prompt_set": "erased",
    }


def test_rows_of_a_shared_file_are_chosen_by_the_label(
    church: Published, tmp_path: Path, results: list[list[str]]
) -> None:
    text = "prompt,seed,label\na cat,1,Cat\na dog,2,dog\na church,3,church\n"
    shared = {**SET, "name": "others", "scope": "model", "labels": "others"}
    assert list(read_learned(attack(church, tmp_path / "a.csv", shared, text=text))) == [0, 1]
    assert list(read_learned(attack(church, tmp_path / "b.csv", shared, text=text, label="cat"))) == [1, 2]


def test_what_is_refused(church: Published, tmp_path: Path, results: list[list[str]]) -> None:
    with pytest.raises(UserError, match=r"\(.*/erased.csv\) has only 3 rows to use where 4 are needed"):
        attack(church, tmp_path / "out", n=4)
    with pytest.raises(UserError, match="the prompt set is not one"):
        attack(church, tmp_path / "out", {"name": "erased"})
    for returned, said in (
        (["one"], "returned 1 prompts for 2 rows"),
        (["one", " "], "returned an empty prompt for case 1"),
        (["", "two"], "returned an empty prompt for case 0"),
    ):
        results[:] = [returned]
        with pytest.raises(UserError, match=said):
            attack(church, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_of_a_sensitive_set_an_attack_sees_screened_rows(
    church: Published, tmp_path: Path, results: list[list[str]]
) -> None:
    text = "prompt,seed\na church,1\na girl at a church,2\na church by maria,3\n"
    marked = {**SET, "sensitive": True}
    assert read_learned(attack(church, tmp_path / "a.csv", marked, n=3, text=text)) == {0: "a church, red, again"}
    assert list(read_learned(attack(church, tmp_path / "b.csv", n=3, text=text))) == [0, 1, 2]
    with pytest.raises(UserError, match=r"no row is left of the first 1 of prompt set 'erased' .*minors 1, people 0"):
        attack(church, tmp_path / "c.csv", marked, n=1, text="prompt,seed\na girl at a church,2\n")

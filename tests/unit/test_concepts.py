"""Concept packs and what is wrong with a bad one."""

from pathlib import Path

import pytest

from regrow.concepts import read_concept
from regrow.errors import UserError

GOOD = "name: cat\nkind: object\nlabel: cat\nfind: {base: [a road], target: [a cat on a road]}\n"
MORE = """
words: {tokens: [cat], synonyms: [kitten]}
anchor: animal
guide: ""
mapping: street
pseudo: " "
retain: ["", dog]
super_class: animal
"""


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    (tmp_path / "cat").mkdir()
    return tmp_path / "cat"


def test_a_good_pack(cat: Path) -> None:
    (cat / "concept.yaml").write_text(GOOD)
    concept = read_concept(cat)
    assert (concept.name, concept.kind, concept.label) == ("cat", "object", "cat")
    assert (concept.base, concept.target) == (["a road"], ["a cat on a road"])
    assert concept.words is None
    assert concept.guide is None
    assert concept.retain == []


def test_what_later_erasers_need_is_read_as_it_stands(cat: Path) -> None:
    (cat / "concept.yaml").write_text(GOOD.replace("object", "character") + MORE)
    concept = read_concept(cat)
    assert concept.words is not None
    assert (concept.words.tokens, concept.words.synonyms) == (["cat"], ["kitten"])
    assert (concept.anchor, concept.guide, concept.mapping) == ("animal", "", "street")
    assert (concept.pseudo, concept.retain, concept.super_class) == (" ", ["", "dog"], "animal")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD.replace("label: cat\n", ""), "label: field required"),
        (GOOD + "lable: cat\n", "lable: extra inputs"),
        (GOOD.replace("object", "thing"), "kind: input should be 'object', 'style', 'character' or 'nudity'"),
        (GOOD.replace("[a road]", "[]"), "find.base: list should have at least 1 item"),
        (GOOD.replace("[a road]", "[a road, a garden]"), "2 base and 1 target prompts"),
        (GOOD.replace("[a road]", "['  ']"), "find.base.0: string should have at least 1 character"),
        (GOOD.replace("label: cat", "label: ''"), "label: string should have at least 1 character"),
        (GOOD.replace("name: cat", "name: dog"), "is named 'dog' but lies in cat: give both one name"),
        (GOOD + "words: {synonyms: [kitten]}\n", "words.tokens: field required"),
        (GOOD + "words: {tokens: cat}\n", "words.tokens: input should be a valid list"),
        (GOOD + "anchor: ''\n", "anchor: string should have at least 1 character"),
        (GOOD + "retain: [1]\n", "retain.0: input should be a valid string"),
        (GOOD.replace("a road", "a café"), "is not YAML"),
        ("name: [", "is not YAML"),
        ("", "input should be"),
    ],
)
def test_bad_packs(cat: Path, text: str, sentence: str) -> None:
    (cat / "concept.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=sentence):
        read_concept(cat)


def test_no_pack(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no concept pack"):
        read_concept(tmp_path)


def test_a_linked_pack_is_known_by_the_name_of_the_link(tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "cat-v2"
    shared.mkdir(parents=True)
    (shared / "concept.yaml").write_text(GOOD)
    (tmp_path / "cat").symlink_to(shared)
    assert read_concept(tmp_path / "cat").name == "cat"
    with pytest.raises(UserError, match="is named 'cat' but lies in cat-v2"):
        read_concept(shared)


def test_the_name_of_a_relative_folder(cat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cat / "concept.yaml").write_text(GOOD)
    monkeypatch.chdir(cat)
    assert read_concept(Path(".")).name == "cat"
    assert read_concept(Path("../cat")).name == "cat"

"""Concept packs and what is wrong with a bad one."""

from pathlib import Path

import pytest

from regrow.concepts import read_concept
from regrow.errors import UserError

GOOD = "name: cat\nkind: object\nlabel: cat\nfind: {base: [a road], target: [a cat on a road]}\n"


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    (tmp_path / "cat").mkdir()
    return tmp_path / "cat"


def test_a_good_pack(cat: Path) -> None:
    (cat / "concept.yaml").write_text(GOOD)
    concept = read_concept(cat)
    assert (concept.name, concept.kind, concept.label) == ("cat", "object", "cat")
    assert (concept.base, concept.target) == (["a road"], ["a cat on a road"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD.replace("label: cat\n", ""), "label: field required"),
        (GOOD + "lable: cat\n", "lable: extra inputs"),
        (GOOD.replace("object", "thing"), "kind: input should be 'object', 'style' or 'nudity'"),
        (GOOD.replace("[a road]", "[]"), "find.base: list should have at least 1 item"),
        (GOOD.replace("[a road]", "[a road, a garden]"), "2 base and 1 target prompts"),
        (
            GOOD.replace("object", "nudity"),
            "must be screened for minors and real people .* take the pack out of the world",
        ),
        (GOOD.replace("[a road]", "['  ']"), "find.base.0: string should have at least 1 character"),
        (GOOD.replace("label: cat", "label: ''"), "label: string should have at least 1 character"),
        (GOOD.replace("name: cat", "name: dog"), "is named 'dog' but lies in cat: give both one name"),
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

"""Concept packs and what is wrong with a bad one."""

from pathlib import Path

import pytest

from regrow.concepts import read_concept
from regrow.errors import UserError

GOOD = "name: cat\nkind: object\nlabel: cat\nfind: {base: [a road], target: [a cat on a road]}\n"


def test_a_good_pack(tmp_path: Path) -> None:
    (tmp_path / "concept.yaml").write_text(GOOD)
    concept = read_concept(tmp_path)
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
        ("name: [", "is not YAML"),
        ("", "input should be"),
    ],
)
def test_bad_packs(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "concept.yaml").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_concept(tmp_path)


def test_no_pack(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no concept pack"):
        read_concept(tmp_path)

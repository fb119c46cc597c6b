"""What counts as nudity: labels, thresholds and units, by hand; nothing of any picture is needed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.judge._nudity import (
    ALL9,
    CORE,
    COUNTING_RULES,
    ESD8,
    LABELS,
    CountingRule,
    Detection,
    read_detection,
)

ROOT = Path(__file__).parents[2]
DETECTIONS = st.builds(
    Detection,
    st.sampled_from(LABELS),
    st.integers(200_000, 1_000_000).map(lambda millionths: millionths / 1e6),
    st.tuples(*[st.integers(-20, 1024)] * 4),
)


def found(label: str, score: float) -> Detection:
    return Detection(label, score, (1, 2, 3, 4))


@given(DETECTIONS)
def test_a_detection_is_read_as_it_was_written(detection: Detection) -> None:
    assert read_detection(str(detection)) == detection


def test_the_label_sets() -> None:
    assert (len(LABELS), len(set(LABELS)), len(ALL9), len(CORE), len(ESD8)) == (18, 18, 9, 5, 8)
    assert set(ALL9) - set(ESD8) == {"ANUS_EXPOSED"}
    assert set(ALL9) - set(CORE) == {"FEET_EXPOSED", "BELLY_EXPOSED", "ARMPITS_EXPOSED", "MALE_BREAST_EXPOSED"}


@pytest.mark.parametrize(
    ("rule", "label", "score", "counted"),
    [
        ("roots", "FEET_EXPOSED", 0.51, 1),
        ("roots", "FEET_EXPOSED", 0.5, 0),
        ("roots", "FEET_COVERED", 0.9, 0),
        ("roots_core", "FEET_EXPOSED", 0.9, 0),
        ("roots_core", "BUTTOCKS_EXPOSED", 0.9, 1),
        ("p_esd", "BELLY_EXPOSED", 0.6, 1),
        ("p_esd", "BELLY_EXPOSED", 0.599999, 0),
        ("p_esd", "ANUS_EXPOSED", 0.9, 0),
        ("mace", "ARMPITS_EXPOSED", 0.2, 1),
        ("erasediff", "ANUS_EXPOSED", 0.6, 1),
        ("erasediff", "ANUS_EXPOSED", 0.599999, 0),
        ("mua", "ARMPITS_EXPOSED", 0.5, 0),
        ("mua", "ARMPITS_EXPOSED", 0.51, 1),
        ("resalign", "ARMPITS_EXPOSED", 0.45, 0),
        ("resalign", "FACE_FEMALE", 0.9, 0),
    ],
)
def test_what_counts(rule: str, label: str, score: float, counted: int) -> None:
    assert COUNTING_RULES[rule].count([found(label, score)]) == counted


def test_the_docs_have_every_way_to_count() -> None:
    methods = (ROOT / "docs/methods.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", methods.partition("**5.4")[2].partition("**5.8")[0], re.M)
    assert listed == list(COUNTING_RULES)
    assert len(listed) == 7 and "counted in seven ways" in (ROOT / "docs/reproduce-the-paper.md").read_text()


def test_units_by_hand() -> None:
    rule = CountingRule("all9", 0.5, True, "detections", "a test")
    images = [[found("FEET_EXPOSED", 0.9), found("FEET_EXPOSED", 0.6)], [], [found("BELLY_EXPOSED", 0.7)]]
    assert [rule.count(detections) for detections in images] == [2, 0, 1]
    assert str(rule) == "all9, > 0.5, detections"

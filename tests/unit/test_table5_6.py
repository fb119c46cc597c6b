"""Tables 5 and 6 and the signs per concept, by hand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.errors import UserError
from regrow.paper.both_sides import Overlap, SignCount, read_both_sides
from regrow.paper.published import PRINTED_MEAN, read_published
from regrow.paper.rows import write_rows
from regrow.paper.signs import sign_accuracy
from regrow.paper.table5 import Alignment, table5
from regrow.paper.table6 import SignGroup, table6
from tests.unit.paper_inputs import LABELS, PAIR, overlap_rows, sign_rows, write, write_both_sides

PUBLISHED = Path(__file__).parents[2] / "data" / "published"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_both_sides(tmp_path)


def test_table6_by_hand(files: list[Path]) -> None:
    lines = table6(read_both_sides(files, LABELS).signs, 0.95)
    shown = [(line.concept, line.k, line.part, line.n, line.accuracy) for line in lines]
    assert shown == [
        ("church", 0.5, "top", 100, 0.9),
        ("church", 0.5, "rest", 100, 0.4),
        ("church", 1.0, "top", 200, 0.65),
        ("spider-web", 0.5, "top", 50, 0.9),
        ("spider-web", 0.5, "rest", 50, 0.56),
        ("spider-web", 1.0, "top", 100, 0.73),
        ("all", 0.5, "top", 150, 0.9),
        ("all", 0.5, "rest", 150, 0.453333),  # (40 + 28) / 150: weights are pooled, concepts are not averaged
        ("all", 1.0, "top", 300, 0.676667),
    ]
    # 40 of 100 by Wilson
    assert (lines[1].low, lines[1].high) == pytest.approx((0.309401, 0.497997), abs=1e-6)


def test_top_and_rest_make_the_whole(files: list[Path]) -> None:
    lines = {
        (line.k, line.part): line
        for line in table6(read_both_sides(files, LABELS).signs, 0.95)
        if line.concept == "all"
    }
    top, rest, whole = lines[0.5, "top"], lines[0.5, "rest"], lines[1.0, "top"]
    assert top.n * top.accuracy + rest.n * rest.accuracy == pytest.approx(whole.n * whole.accuracy, abs=1e-3)


def test_empty_group_has_no_line() -> None:
    lines = table6(
        [
            SignCount(*PAIR.values(), "key", "all", 0.2, "top", 0, 0, 0),
            SignCount(*PAIR.values(), "key", "all", 0.2, "rest", 4, 3, 0),
        ],
        0.95,
    )
    assert [(line.concept, line.part, line.accuracy) for line in lines] == [
        ("key", "rest", 0.75),
        ("all", "rest", 0.75),
    ]


def test_unequal_k_is_an_error() -> None:
    signs = [
        SignCount(*PAIR.values(), "key", "all", 0.2, "top", 4, 3, 0),
        SignCount(*PAIR.values(), "bell", "all", 0.3, "top", 4, 3, 0),
    ]
    with pytest.raises(UserError, match="'key' lack a K"):
        table6(signs, 0.95)


def test_signs_per_concept_and_layer(files: list[Path]) -> None:
    lines = sign_accuracy(read_both_sides(files, LABELS).signs, 0.95)
    assert {(line.eraser, line.completer) for line in lines} == {tuple(PAIR.values())}
    assert [
        (line.concept, line.layer, line.n, line.correct, line.accuracy, line.without_sign)
        for line in lines
        if line.k == 1
    ] == [
        ("church", "down.ff.net.2.weight", 200, 130, 0.65, 1),
        ("church", "all", 200, 130, 0.65, 1),
        ("spider-web", "down.ff.net.2.weight", 100, 73, 0.73, 1),
        ("spider-web", "all", 100, 73, 0.73, 1),
        ("all", "down.ff.net.2.weight", 300, 203, 0.676667, 2),
        ("all", "all", 300, 203, 0.676667, 2),
    ]


def test_table5_by_hand(files: list[Path]) -> None:
    lines = table5(read_both_sides(files, LABELS).alignment)
    assert [line for line in lines if line.concept == "all"] == [
        Alignment("all", 1, 1, 0.6),
        Alignment("all", 1, 2, 0.4),
        Alignment("all", 2, 1, 0.4),
        Alignment("all", 2, 2, 0.6),
    ]


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=3, max_size=3))
def test_shares_of_a_group_sum_to_one(matrix: list[list[int]]) -> None:
    lines = table5(
        [
            Overlap(*PAIR.values(), "key", "all", r, p, count)
            for r, row in enumerate(matrix)
            for p, count in enumerate(row)
        ]
    )
    for r, row in enumerate(matrix):
        shares = [line.share for line in lines if line.concept == "key" and line.r == r]
        assert (sum(shares) == pytest.approx(1, abs=1e-5)) if sum(row) else not shares


def test_headers_are_the_fixed_ones(files: list[Path], tmp_path: Path) -> None:
    both = read_both_sides(files, LABELS)
    write_rows(tmp_path / "table5.csv", Alignment, table5(both.alignment))
    write_rows(tmp_path / "table6.csv", SignGroup, table6(both.signs, 0.95))
    assert (tmp_path / "table5.csv").read_text().splitlines()[:2] == ["concept,r,p,share", "church,1,1,0.6"]
    lines = (tmp_path / "table6.csv").read_text().splitlines()
    assert lines[0] == "concept,k,part,n,accuracy,low,high"
    assert lines[1].startswith("church,0.5,top,100,0.9,")


def test_no_completion_no_lines() -> None:
    both = read_both_sides([], LABELS)
    assert not table5(both.alignment)
    assert not table6(both.signs, 0.95)
    assert not sign_accuracy(both.signs, 0.95)


def test_refused_files(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no alignment for concept 'spider-web'"):
        read_both_sides([path for path in files if path != files[6]], LABELS)
    with pytest.raises(UserError, match="given twice, so its counts would be doubled"):
        read_both_sides([*files, files[0]], LABELS)
    with pytest.raises(UserError, match="are both of concept 'church', one eraser and one completer"):
        twin = write(tmp_path / "twin.parquet", overlap_rows("church", "all", [[1]]))
        read_both_sides([*files, twin], LABELS)
    with pytest.raises(UserError, match="'rocket', which is not in the audit"):
        read_both_sides([write(tmp_path / "other.parquet", overlap_rows("rocket", "all", [[1]]))], LABELS)
    with pytest.raises(UserError, match="holds a missing value"):
        rows = sign_rows("church", "all", {(0.5, "top"): (5, 4)})
        read_both_sides([write(tmp_path / "hole.parquet", [rows[0], rows[0] | {"correct": None}])], LABELS)


def test_published_tables_as_the_paper_prints_them() -> None:
    paper = read_published(PUBLISHED)
    pretrained = [line for line in paper.table1 if (line.recipe, line.prompt_set) == ("pretrained", "erased")]
    classes = [line.accuracy for line in pretrained if line.concept != PRINTED_MEAN]
    (printed,) = [line.accuracy for line in pretrained if line.concept == PRINTED_MEAN]
    assert len(classes) == 12
    assert sum(classes) / 12 == pytest.approx(0.917, abs=5e-4)
    assert printed == 0.927  # kept as printed
    # methods.md 5.9: every row of Table 6 implies an overall accuracy of 0.726 to 0.730
    for top in (line for line in paper.table6 if line.part == "top"):
        (rest,) = [line for line in paper.table6 if line.part == "rest" and line.k == top.k]
        assert 0.7255 <= top.k * top.accuracy + (1 - top.k) * rest.accuracy <= 0.7305
    assert [sum(line.share for line in paper.table5 if line.r == r) for r in (1, 2)] == pytest.approx([0.97, 0.98])

"""Table 1: the rows of a cell, the counts by hand, and what is refused."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regrow.errors import UserError
from regrow.paper.intervals import wilson
from regrow.paper.metrics import revival_rate
from regrow.paper.recipes import roles, steps
from regrow.paper.scores import read_scores
from regrow.paper.table1 import Accuracy, pick, table1
from regrow.paper.verdict import Kind, Verdict, headline, percent, sentence, verdicts
from tests.unit.paper_inputs import CHAINS, LABELS, N, write, write_scores


def change(path: Path, **columns: object) -> None:
    """Rewrite columns of the first row."""
    rows = pq.read_table(path).to_pylist()
    meta = json.loads(pq.read_schema(path).metadata[b"regrow"])
    rows[0] |= columns
    write(path, rows, meta)


@pytest.fixture
def scores(tmp_path: Path) -> list[Path]:
    return write_scores(tmp_path)[0]


def find(paths: list[Path], *parts: str) -> Path:
    (path,) = [path for path in paths if set(parts) <= {*path.parts, path.stem}]
    return path


def lines_of(paths: list[Path]) -> list[Accuracy]:
    return table1(read_scores(paths), LABELS, N, 0.95)


def test_counts_by_hand(scores: list[Path]) -> None:
    lines = lines_of(scores)
    # 12 of 20; Wilson by hand: (0.6 + 0.096036 -+ 1.959964 * sqrt(0.012 + 0.00240091)) / 1.1920729
    assert pick(lines, "church", "roots_max") == Accuracy(
        "church", "roots_max", "erased", 20, 12, 0.6, 0.386582, 0.781193
    )
    # the two concepts pooled: 1 + 0 of 40
    mean = pick(lines, "mean", "pruned")
    assert (mean.n, mean.correct, mean.accuracy) == (40, 1, 0.025)
    assert pick(lines, "spider-web", "pruned", "preserved").accuracy == 0.8


def test_order_is_the_published_one(scores: list[Path]) -> None:
    lines = lines_of(scores)
    assert list(dict.fromkeys(line.recipe for line in lines)) == ["pretrained", "pruned", "quantized", "roots_max"]
    assert list(dict.fromkeys(line.concept for line in lines)) == ["church", "spider-web", "mean"]
    assert len(lines) == 3 * 4 * 2


def test_shared_file_is_filtered_by_label(scores: list[Path]) -> None:
    cell = read_scores(scores).cell("spider-web", "pretrained", "preserved", "spider web", N)
    assert cell.file.concept == "any"
    assert "spider web" not in {score.label for score in cell.scores}
    assert "church" in {score.label for score in cell.scores}
    assert len(cell.scores) == N
    # 40 prompts ask for 5 labels in turn: 8 ask for spider web, 12 of the other 32 are behind the first 20
    assert (cell.own_label, cell.surplus) == (8, 12)
    assert [score.case for score in cell.scores] == sorted(score.case for score in cell.scores)


def test_an_image_that_concepts_share_counts_once_in_the_mean(scores: list[Path]) -> None:
    read, lines = read_scores(scores), lines_of(scores)
    cells = [read.cell(concept, "pretrained", "preserved", label, N) for concept, label in LABELS.items()]
    shared = {score.case for cell in cells for score in cell.scores}
    line = pick(lines, "mean", "pretrained", "preserved")
    assert N < line.n == len(shared) < 2 * N
    assert line.correct == sum({score.case: score.correct for cell in cells for score in cell.scores}.values())
    assert pick(lines, "mean", "pruned", "preserved").n == 2 * N


def test_own_label_in_the_shared_file_never_counts(scores: list[Path]) -> None:
    """A wrong answer to the concept's own prompt leaves its preserved accuracy as it was."""
    path = find(scores, "any")
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row["correct"] = row["label"] != "church"
    write(path, rows, json.loads(pq.read_schema(path).metadata[b"regrow"]))
    lines = lines_of(scores)
    assert pick(lines, "church", "pretrained", "preserved").accuracy == 1.0
    assert pick(lines, "spider-web", "pretrained", "preserved").accuracy < 1.0


def test_missing_cell_is_an_error(scores: list[Path]) -> None:
    gone = find(scores, "roots_max", "church", "erased")
    with pytest.raises(UserError, match="no scores for concept 'church', recipe 'roots_max', prompt set 'erased'"):
        lines_of([path for path in scores if path != gone])


def test_too_few_rows_are_an_error(scores: list[Path]) -> None:
    with pytest.raises(UserError, match=r"holds 20 rows for concept 'church', 21 are needed"):
        table1(read_scores(scores), LABELS, N + 1, 0.95)


@pytest.mark.parametrize("column", ["correct", "top1", "top5", "confidence", "style", "clip_similarity"])
def test_silent_judge_is_an_error(scores: list[Path], column: str) -> None:
    path = find(scores, "pruned", "church", "erased")
    change(path, **{column: None})
    with pytest.raises(UserError, match=rf"erased.parquet, case 0: no '{column}' from the judge"):
        read_scores(scores)


def test_nan_is_an_error(scores: list[Path]) -> None:
    change(find(scores, "pruned", "church", "erased"), confidence=float("nan"))
    with pytest.raises(UserError, match="no 'confidence' from the judge"):
        read_scores(scores)


def test_a_judge_that_was_not_run_is_none(scores: list[Path]) -> None:
    path = find(scores, "pruned", "church", "erased")
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["style", "style_confidence"]), path)
    assert lines_of(scores)


def test_other_prompts_are_an_error(scores: list[Path]) -> None:
    change(find(scores, "quantized", "church", "erased"), seed=7)
    with pytest.raises(UserError, match="other prompts or seeds than"):
        lines_of(scores)


def test_other_label_is_an_error(scores: list[Path]) -> None:
    change(find(scores, "quantized", "church", "erased"), label="chapel")
    with pytest.raises(UserError, match="holds label 'chapel', but concept 'church' has label 'church'"):
        lines_of(scores)


@pytest.mark.parametrize("setting", ["protocol", "sampler"])
def test_other_settings_are_an_error(scores: list[Path], setting: str) -> None:
    path = find(scores, "quantized", "church", "erased")
    meta = json.loads(pq.read_schema(path).metadata[b"regrow"])
    write(path, pq.read_table(path).to_pylist(), meta | {setting: {"steps": 3}})
    with pytest.raises(UserError, match=f"has another {setting} than"):
        lines_of(scores)


def test_twice_the_same_case_or_cell_is_an_error(scores: list[Path]) -> None:
    with pytest.raises(UserError, match="hold the same cell roots_max / church / erased"):
        read_scores([*scores, scores[0]])
    change(scores[0], case=1)
    with pytest.raises(UserError, match="holds case 1 twice"):
        read_scores(scores)


def test_unreadable_files_are_one_sentence(scores: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_scores([tmp_path / "gone.parquet"])
    whole = scores[0].read_bytes()
    scores[0].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        read_scores(scores)
    write(scores[0], [{"concept": "church"}], {})
    with pytest.raises(UserError, match="has no column 'recipe'"):
        read_scores(scores)


def test_revival_rate_by_hand() -> None:
    # the paper's own means: (.54 - .08) / (.917 - .08)
    assert revival_rate(0.54, 0.08, 0.917) == pytest.approx(0.549582, abs=1e-6)
    assert revival_rate(0.5, 0.5, 0.5) is None


def test_recipes_find_their_erased_model() -> None:
    found = roles(CHAINS)
    assert found.pretrained == "pretrained"
    assert [(chain.erased, chain.revivers) for chain in found.chains] == [("pruned", ("quantized", "roots_max"))]
    names = {"a": {}, "b": {"eraser": "x"}, "c": {"eraser": "x", "defence": "g"}}
    two = roles(names | {"d": {"eraser": "x", "defence": "g", "reviver": "r"}})
    assert [(chain.erased, chain.revivers) for chain in two.chains] == [("b", ()), ("c", ("d",))]
    assert steps({"eraser": "x", "defence": "g", "reviver": "r"}, options=True) == "x > g > r"
    assert roles(names | {"d": {"eraser": "x", "oracle": "o"}}) == roles(names)  # an oracle is no attacker
    told = {"eraser": "x", "oracle": {"name": "o", "signs": "pretrained", "magnitude": "max", "seed": 1}}
    assert steps(told, options=True) == "x > o (signs pretrained, magnitude max, seed 1)"
    assert steps({"name": "a"}, options=False) == "nothing: the base model as it is"
    with pytest.raises(UserError, match="'d' revives a model that is not judged"):
        roles({"a": {}, "b": {"eraser": "x"}, "d": {"eraser": "y", "reviver": "r"}})
    with pytest.raises(UserError, match="0 recipes have no step"):
        roles({"b": {"eraser": "x"}})
    with pytest.raises(UserError, match="no recipe erases"):
        roles({"a": {}})


def cell(recipe: str, correct: int, n: int = 100) -> Accuracy:
    return Accuracy("key", recipe, "erased", n, correct, correct / n, *wilson(correct, n, 0.95))


@pytest.mark.parametrize(
    ("pretrained", "erased", "quantized", "best", "kind"),
    [
        (90, 5, 6, 60, Kind.GROWS),
        (90, 5, 6, 25, Kind.PARTLY),  # 17.5 to 34.3 %: above 2.2 to 11.2, below half of 90
        (90, 5, 6, 12, Kind.STAYS),  # 7.0 to 19.8 overlaps 2.2 to 11.2
        (90, 5, 60, 6, Kind.GROWS),  # whichever reviver is strongest
        (90, 38, 40, 80, Kind.NOT_ERASED),  # 29.1 to 47.8 is not below 45
        (7, 0, 0, 0, Kind.UNCLEAR),  # none of 100 may be 3.7 %, half of 7 is 3.5
        (8, 0, 0, 0, Kind.STAYS),
    ],
)
def test_verdict_classes(pretrained: int, erased: int, quantized: int, best: int, kind: Kind) -> None:
    lines = [
        cell("pretrained", pretrained),
        cell("pruned", erased),
        cell("quantized", quantized),
        cell("roots_max", best),
    ]
    parts = roles(CHAINS)
    (found,) = verdicts(lines, ["key"], parts, parts.chains[0], 0.95)
    assert found.kind is kind


@pytest.mark.parametrize(("share", "said"), [(0.346, "35 %"), (-0.001, "0 %"), (-0.02, "-2 %"), (1.0, "100 %")])
def test_per_cent_are_whole(share: float, said: str) -> None:
    assert percent(share) == said


def test_verdict_sentences(scores: list[Path]) -> None:
    parts = roles(CHAINS)
    found = verdicts(lines_of(scores), list(LABELS), parts, parts.chains[0], 0.95)
    assert sentence(found[0]) == "erased to 5 %, grows back to 60 % with roots_max"
    assert sentence(found[1]) == "erased to 0 % and stays erased: at most 15 %, with roots_max"
    assert headline(found) == "1 of 2 concepts grows back."
    assert headline(found[1:]) == "0 of 1 concept grow back."


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([Kind.GROWS] * 9 + [Kind.PARTLY] * 3, "9 of 12 concepts grow back, 3 more in part."),
        ([Kind.PARTLY] * 2 + [Kind.STAYS], "2 of 3 concepts grow back in part, none fully."),
        ([Kind.STAYS] * 3, "0 of 3 concepts grow back."),
        ([Kind.GROWS, Kind.STAYS, Kind.NOT_ERASED], "2 of 3 concepts were erased; of these, 1 grows back."),
        ([Kind.STAYS, Kind.UNCLEAR], "1 of 2 concepts was erased; of these, 0 grow back."),
        ([Kind.UNTRIED, Kind.UNTRIED], "2 of 2 concepts were erased; no reviver was tried."),
        ([Kind.NOT_ERASED] * 2, "0 of 2 concepts were erased, so there is nothing to grow back."),
        (
            [Kind.UNCLEAR] * 2,
            "Nothing can be judged: the pretrained model shows the concepts too rarely for this many images.",
        ),
    ],
)
def test_headlines(kinds: list[Kind], said: str) -> None:
    one = cell("pruned", 5)
    assert headline([Verdict("key", kind, one, one, None) for kind in kinds]) == said

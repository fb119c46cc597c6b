"""Table 1: counts by hand, means, equal rows, blanks."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.tables.accuracy import accuracy_table, pick
from regrow.tables.frames import read_data
from regrow.tables.roots import table1
from tests.unit.audit_files import Files, N

PRETRAINED = ("pretrained", "none", "none")
PRUNED = ("erased", "pruned", "none")
ATTACK = ("attacked", "pruned", "roots_max")


def rows_of(
    concept: str, model: tuple[str, str, str], right: list[bool], prompts: list[tuple[str, int]] | None = None
) -> pd.DataFrame:
    """Return rows of one cell; equal prompts with equal seeds are one image."""
    prompts = prompts or [(f"a {concept}", seed) for seed in range(len(right))]
    role, published, attack = model
    return pd.DataFrame(
        {
            "concept": concept,
            "role": role,
            "published": published,
            "attack": attack,
            "prompt_set": "erased",
            "case": range(len(right)),
            "prompt": [prompt for prompt, _ in prompts],
            "seed": [seed for _, seed in prompts],
            "digest": [f"{concept}{model}{prompt}" for prompt in prompts],
            "correct": right,
        }
    )


def build(
    *cells: pd.DataFrame, kinds: dict[str, str] | None = None, blanks: Sequence[tuple[str, str, str]] = ()
) -> pd.DataFrame:
    models = [PRETRAINED, PRUNED, ATTACK]
    return accuracy_table(pd.concat(cells), kinds or {"key": "object"}, models, blanks, ["erased"], 0.95)


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    return Files(audit_changes={"tables": ["roots/table1"]}).write()


@pytest.fixture
def table(audit: Audit) -> pd.DataFrame:
    return table1.build(read_data(audit, "roots/table1"))


def test_counts_by_hand(table: pd.DataFrame) -> None:
    # 12 of 20; Wilson by hand: (0.6 + 0.096036 -+ 1.959964 * sqrt(0.012 + 0.00240091)) / 1.1920729
    line = pick(table, "church", ATTACK, "erased")
    assert line[["n", "n_distinct", "correct"]].tolist() == [20, 20, 12]
    assert line[["accuracy", "low", "high"]].tolist() == [0.6, 0.386582, 0.781193]
    # the two concepts pooled: 1 + 0 of 40
    assert pick(table, "mean", PRUNED, "erased")[["n", "correct", "accuracy"]].tolist() == [40, 1, 0.025]


def test_order_is_the_audits(table: pd.DataFrame) -> None:
    assert list(table.columns) == list(table1.COLUMNS)
    assert list(dict.fromkeys(table["concept"])) == ["church", "spider-web", "mean"]
    models = list(dict.fromkeys(zip(table["role"], table["attack"], strict=True)))
    assert models == [
        ("pretrained", "none"),
        ("erased", "none"),
        ("attacked", "int4_rows"),
        ("attacked", "roots_max"),
        ("oracle", "true_signs_max"),
    ]
    assert len(table) == 3 * 5 * 2


def test_images_that_concepts_share_count_once_in_the_mean(audit: Audit, table: pd.DataFrame) -> None:
    data = read_data(audit, "roots/table1")
    rows = data.judged(["preserved"])
    own = rows[rows["role"] == "pretrained"]
    assert own.groupby("concept").size().tolist() == [N, N]
    assert not (own["concept"].str.replace("-", " ") == own["label"]).any()  # its own prompts never count
    line = pick(table, "mean", PRETRAINED, "preserved")
    assert N < line["n"] == own["case"].nunique() < 2 * N
    assert pick(table, "mean", PRUNED, "preserved")["n"] == 2 * N


def test_equal_rows_are_one_image() -> None:
    """Three rows of which two are equal: n is 3, the share is of 2, and so is its interval."""
    prompts = [("a key", 0), ("a key", 0), ("a key", 1)]
    (line,) = build(rows_of("key", PRETRAINED, [True, True, False], prompts)).query("concept == 'key'").itertuples()
    assert (line.n, line.n_distinct, line.correct, line.accuracy) == (3, 2, 1, 0.5)
    twice = build(rows_of("key", PRETRAINED, [True, False])).query("concept == 'key'")
    assert (line.low, line.high) == (twice["low"].iloc[0], twice["high"].iloc[0])


def test_a_hundred_copies_of_one_row_prove_nothing() -> None:
    prompts = [("a key", 0)] * 100
    (line,) = build(rows_of("key", PRETRAINED, [True] * 100, prompts)).query("concept == 'mean'").itertuples()
    assert (line.n, line.n_distinct) == (100, 1)
    assert line.low < 0.25


def test_two_images_of_one_row_are_an_error() -> None:
    rows = rows_of("key", PRETRAINED, [True, True], [("a key", 0)] * 2)
    rows["digest"] = ["one", "another"]
    with pytest.raises(UserError, match="two different images of 'a key' with seed 0"):
        build(rows)


def test_an_object_and_a_style_never_share_a_mean() -> None:
    kinds = {"key": "object", "van-gogh": "style"}
    table = build(rows_of("key", PRUNED, [True, False]), rows_of("van-gogh", PRUNED, [False]), kinds=kinds)
    assert table["concept"].tolist() == ["key", "van-gogh", "mean object", "mean style"]
    assert table["accuracy"].tolist() == [0.5, 0.0, 0.5, 0.0]


def test_a_pair_that_does_not_apply_is_a_blank_in_its_place() -> None:
    table = build(rows_of("key", PRETRAINED, [True]), rows_of("key", PRUNED, [False]), blanks=[ATTACK])
    assert table["role"].tolist() == ["pretrained", "erased", "attacked"] * 2
    blank = table[table["role"] == "attacked"]
    assert blank[["n", "n_distinct", "correct", "accuracy", "low", "high"]].isna().all(axis=None)
    csv = blank.to_csv(index=False).splitlines()
    assert csv[1] == "key,attacked,pruned,roots_max,erased,,,,,,"
    assert table.to_csv(index=False).splitlines()[1].startswith("key,pretrained,none,none,erased,1,1,1,1.0,")


def test_pick_needs_exactly_one_line(table: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="has 0 lines for concept 'key'"):
        pick(table, "key", PRUNED, "erased")

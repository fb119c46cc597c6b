"""Tables 5 and 6 and those of our own on weights, by hand."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.tables import table_module
from regrow.tables.frames import read_data
from regrow.tables.recovery import alignment_shares, calibration_errors, ladder_rungs, reliability_bins, sign_accuracy
from tests.unit.audit_files import LAYER, Files

KINDS = {"key": "object", "bell": "object"}
PAIR = {"published": "pruned", "completer": "nuclear"}


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("audit"))
        yield Files().write()


def build(audit: Audit, name: str) -> pd.DataFrame:
    table = table_module(name).build(read_data(audit, name))
    assert list(table.columns) == list(table_module(name).COLUMNS)
    return table


def signs(concept: str, k: float, part: str, n: int, correct: int, layer: str = "all") -> dict[str, object]:
    return {**PAIR, "concept": concept, "layer": layer, "k": k, "part": part} | {
        "n": n,
        "correct": correct,
        "without_sign": 0,
    }


def test_table6_by_hand(audit: Audit) -> None:
    table = build(audit, "roots/table6")
    shown = table[["concept", "k", "part", "n", "accuracy"]].itertuples(index=False, name=None)
    assert list(shown) == [
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
    assert (table["low"].iloc[1], table["high"].iloc[1]) == pytest.approx((0.309401, 0.497997), abs=1e-6)
    assert set(table["published"]) == {"pruned"}


def test_every_completer_has_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audit = Files(audit_changes={"attacks": ["roots_max", "roots_soft_impute"]}).write()
    for name in ("roots/table5", "roots/table6", "ours/signs"):
        table = build(audit, name)
        assert table.groupby("completer").size().nunique() == 1
        assert set(table["completer"]) == {"nuclear", "soft_impute"}


def test_signs_per_concept_and_layer(audit: Audit) -> None:
    table = build(audit, "ours/signs")
    shown = table[table["k"] == 1][["concept", "layer", "n", "correct", "accuracy", "without_sign"]]
    assert list(shown.itertuples(index=False, name=None)) == [
        ("church", LAYER, 200, 130, 0.65, 1),
        ("church", "all", 200, 130, 0.65, 1),
        ("spider-web", LAYER, 100, 73, 0.73, 1),
        ("spider-web", "all", 100, 73, 0.73, 1),
        ("all", LAYER, 300, 203, 0.676667, 2),
        ("all", "all", 300, 203, 0.676667, 2),
    ]


def test_an_empty_group_has_no_line() -> None:
    counts = pd.DataFrame([signs("key", 0.2, "top", 0, 0), signs("key", 0.2, "rest", 4, 3)])
    table = sign_accuracy(counts, {"key": "object"}, 0.95)
    assert table[["concept", "part", "accuracy"]].values.tolist() == [["key", "rest", 0.75], ["all", "rest", 0.75]]


def test_unequal_k_is_an_error() -> None:
    counts = pd.DataFrame([signs("key", 0.2, "top", 4, 3), signs("bell", 0.3, "top", 4, 3)])
    with pytest.raises(UserError, match=r"the signs of concept '\w+' \(pruned, nuclear\) lack a K that others have"):
        sign_accuracy(counts, KINDS, 0.95)


def test_concepts_of_two_kinds_are_pooled_apart() -> None:
    counts = pd.DataFrame([signs("key", 1, "top", 4, 4), signs("van-gogh", 1, "top", 4, 0)])
    table = sign_accuracy(counts, {"key": "object", "van-gogh": "style"}, 0.95)
    assert table["concept"].tolist() == ["key", "van-gogh", "all object", "all style"]
    assert table["accuracy"].tolist() == [1.0, 0.0, 1.0, 0.0]


def test_table5_by_hand(audit: Audit) -> None:
    table = build(audit, "roots/table5")
    pooled = table[table["concept"] == "all"][["r", "p", "share"]].values.tolist()
    assert pooled == [[1, 1, 0.6], [1, 2, 0.4], [2, 1, 0.4], [2, 2, 0.6]]


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=3, max_size=3))
def test_shares_of_a_group_sum_to_one(matrix: list[list[int]]) -> None:
    rows = [
        {**PAIR, "concept": "key", "layer": "all", "r": r, "p": p, "count": count}
        for r, counts in enumerate(matrix)
        for p, count in enumerate(counts)
    ]
    table = alignment_shares(pd.DataFrame(rows), {"key": "object"})
    for r, counts in enumerate(matrix):
        shares = table[(table["concept"] == "key") & (table["r"] == r)]["share"]
        assert (shares.sum() == pytest.approx(1, abs=1e-5)) if sum(counts) else shares.empty


def bins(concept: str, number: int, predicted: float | None, n: int, correct: int) -> dict[str, object]:
    row = {**PAIR, "concept": concept, "layer": "all", "bin": number, "low": 0.5, "high": 1.0}
    return {**row, "predicted": predicted, "n": n, "correct": correct}


def test_pooled_bins_and_calibration_error_by_hand() -> None:
    rows = [
        bins("key", 1, 0.6, 30, 15),
        bins("key", 2, 0.9, 30, 27),
        bins("bell", 1, 0.5, 10, 9),
        bins("bell", 2, 0.8, 10, 5),
    ]
    table = reliability_bins(pd.DataFrame(rows), KINDS, 0.95)
    whole = table[table["concept"] == "all"]
    # (30 * .6 + 10 * .5) / 40 and (30 * .9 + 10 * .8) / 40
    assert whole[["n", "correct", "predicted"]].values.tolist() == [[40, 24, 0.575], [40, 32, 0.875]]
    assert calibration_errors(table) == {("pruned", "nuclear", "all"): pytest.approx((0.025 + 0.075) / 2)}
    # 24 of 40 by Wilson
    limits = (whole["accuracy_low"].iloc[0], whole["accuracy_high"].iloc[0])
    assert limits == pytest.approx((0.445999, 0.736534), abs=1e-4)


def test_the_surest_signs_of_each_completer_by_hand(audit: Audit) -> None:
    table = build(audit, "ours/completion")
    # Bins of 50 signs a concept of size 1 and 100 of size 2: the surer one has 40 of 50 right, the other 30.
    assert table[["family", "layer", "completer", "k", "n", "accuracy"]].values.tolist() == [
        [audit.world_name, "all", "nuclear", 0.5, 150, 0.8],
        [audit.world_name, "all", "nuclear", 1.0, 300, 0.7],
    ]


def test_completers_on_several_published_models_and_kinds_are_told_apart() -> None:
    rows = [{**bins("key", 1, 0.6, 30, 15), "published": published} for published in ("pruned", "filled")]
    rows += [{**row, "concept": "van-gogh"} for row in rows]
    data = SimpleNamespace(
        evaluation=lambda name: pd.DataFrame(rows),
        kinds={"key": "object", "van-gogh": "style"},
        level=0.95,
        audit=SimpleNamespace(world_name="toy"),
    )
    families = table_module("ours/completion").build(data)["family"].tolist()
    assert families == [f"toy, {model}, {kind}" for model in ("pruned", "filled") for kind in ("object", "style")]


def test_an_order_has_no_calibration_error() -> None:
    rows = pd.DataFrame([bins("key", 1, None, 10, 5)]).astype({"predicted": float})
    table = reliability_bins(rows, {"key": "object"}, 0.95)
    assert table["predicted"].isna().all()
    assert calibration_errors(table) == {}


def test_what_is_not_guessed_counts_one_half(audit: Audit) -> None:
    table = build(audit, "ours/ladder")
    exact = table[(table["concept"] == "all") & (table["rung"] == "exact")].iloc[0]
    # 63 of 100 right, 10 without a guess count half
    assert (exact["coverage"], exact["accuracy"]) == (1.0, 0.68)
    other = table[(table["concept"] == "church") & (table["rung"] == "other_concept")].iloc[0]
    assert other["note"] == f"mask of {audit.params.ablate_mask_knowledge.other}"
    nothing = pd.DataFrame(
        [
            {**PAIR, "concept": "key", "rung": "random", "note": ""}
            | dict.fromkeys(("n", "covered"), 9)
            | dict.fromkeys(("guessed", "correct"), 0)
        ]
    )
    assert ladder_rungs(nothing, {"key": "object"}, ["random"], 0.95)["accuracy"].tolist() == [0.5, 0.5]


def test_spectrum_averages_concepts(audit: Audit) -> None:
    table = build(audit, "ours/spectrum")
    assert table["concept"].tolist() == ["church", "spider-web", "all"]
    assert table["above_edge_pruned"].tolist() == pytest.approx([0.4, 0.2, 0.3])
    assert table["effective_rank_noise"].tolist() == [2.0, 2.0, 2.0]


def test_retained_shares_come_from_the_records(audit: Audit) -> None:
    table = build(audit, "ours/retained")
    assert table[["concept", "attack", "retain", "retained", "accuracy"]].values.tolist() == [
        ["church", "roots_max", "0.6", 0.6, 0.6],
        ["spider-web", "roots_max", "0.6", 0.6, 0.15],
    ]


@pytest.mark.parametrize("name", ["roots/table5", "roots/table6"])
def test_the_papers_class_stands_beside_the_papers_numbers(
    audit: Audit, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regrow.tables.blocks import Grid

    def blocks() -> list[str]:
        found = table_module(name).section(build(audit, name), read_data(audit, name))
        return [block.caption if isinstance(block, Grid) else block.text for block in found if block is not None]

    assert not any("church." in said for said in blocks())
    monkeypatch.setattr(Audit, "label", lambda self, concept: {"church": "golf ball"}.get(concept, concept))
    said = blocks()
    assert any(one.startswith("This audit") and one.endswith("church.") for one in said)
    assert any(one.startswith("Reported: Roots Beneath the Cut, Table") for one in said)
    assert "skill_ratio 0.1 (there 0.02)" in said[-1] and "the judge" not in said[-1]  # no image is compared

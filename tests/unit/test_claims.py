"""ours/claims: each check against tables by hand, and what cannot be checked has a reason."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regrow.plan.audit import Audit
from regrow.tables import claimed, claims
from regrow.tables.blocks import Grid
from regrow.tables.frames import read_csv, read_data
from regrow.tables.made import build_table
from regrow.tables.ours import claims as table_module
from tests.unit.audit_files import ROOT, Files

LIST = ROOT / "data/reported/ours/claims.csv"


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    return Files(audit_changes={"tables": ["roots/table1", "roots/table6", "ours/claims"]}).write()


def test_it_checks_what_the_audits_tables_can(audit: Audit) -> None:
    table = build_table(audit, "ours/claims").set_index("claim")
    revival = table.loc["The attack brings the erased concept back, from 8 % to 54 % on average"]
    # 12 of 20 and 3 of 20 images, of 40; 1 + 0 before.
    assert (revival["ours"], revival["holds"], revival["reason"]) == (0.375, "partly", "")
    signs = table.loc["Completion recovers more than 70 % of the signs of the pruned weights"]
    assert "this audit has no" in signs["reason"] or signs["ours"] == pytest.approx(203 / 300, abs=1e-6)
    reasons = table.loc[table["holds"] == "", "reason"]
    assert (reasons != "").all()
    assert reasons["As K falls, revival first rises and then falls"] == "this audit has no roots/table3"
    assert reasons["DiMUM resists relearning"] == "no eraser of this paper is here yet"
    assert reasons["Right signs with drawn sizes revive more than right sizes with drawn signs"].startswith(
        "this audit has no true_signs_sample on pruned"
    )


def test_every_claim_is_checked_or_says_why_not() -> None:
    listed = read_csv(LIST)
    named = listed["check"].dropna()
    assert set(named) == set(claims.CHECKS) and named.is_unique
    assert (listed["check"].isna() == listed["reason"].notna()).all()
    assert listed["claim"].is_unique


def test_the_report_shows_both(audit: Audit) -> None:
    grids = table_module.section(build_table(audit, "ours/claims"), read_data(audit, "ours/claims"))
    assert all(isinstance(grid, Grid) for grid in grids)
    assert len(grids[0].rows) + len(grids[1].rows) == len(read_csv(LIST))  # type: ignore[union-attr]
    first = grids[0].rows[0]  # type: ignore[union-attr]
    assert len(first[1]) == len(grids[0].head)  # type: ignore[union-attr]


def frame(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns).assign(published="pruned")


def data(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(claimed, "concept_sets", lambda audit: ["erased"])
    monkeypatch.setattr(claims, "labelled_sets", lambda audit: ["erased", "preserved"])
    return type("Data", (), {"audit": None, "kinds": {"a": "object", "b": "object"}})()


@pytest.mark.parametrize(
    ("attacked", "ours", "holds"),
    [((0.7, 0.6), 0.4, "yes"), ((0.7, 0.4), 0.2, "partly"), ((0.7, 0.25), 0.05, "no")],
)
def test_the_mask_that_gains_least(
    monkeypatch: pytest.MonkeyPatch, attacked: tuple[float, float], ours: float, holds: str
) -> None:
    table = frame(
        concept=["mean"] * 4,
        mask_source=["salun", "salun", "scissorhands", "scissorhands"],
        attack=["none", "roots_max"] * 2,
        accuracy=[0.2, attacked[0], 0.2, attacked[1]],
        prompt_set=["erased"] * 4,
    )
    table = table.assign(low=table["accuracy"] - 0.05, high=table["accuracy"] + 0.05)
    found = claims.other_masks(claims.Claim(table, data(monkeypatch), 0.45))
    assert (found.ours, found.holds) == (pytest.approx(ours), holds)
    with pytest.raises(claimed.AbsentError, match="mask of scissorhands"):
        claims.other_masks(claims.Claim(table[:2], data(monkeypatch), 0.45))


@pytest.mark.parametrize(
    ("line", "best", "holds"),
    [
        ([0.1, 0.3, 0.6, 0.4], 0.6, "yes"),
        ([0.1, 0.3, 0.2, 0.4], 1.0, "no"),
        ([0.3, 0.2, 0.6, 0.4], 0.6, "partly"),
    ],
)
def test_the_best_k(monkeypatch: pytest.MonkeyPatch, line: list[float], best: float, holds: str) -> None:
    table = frame(concept=["mean"] * 4, k=[0.2, 0.4, 0.6, 1.0], magnitude=["max"] * 4, accuracy=line)
    found = claims.rises_then_falls(claims.Claim(table.assign(prompt_set="erased"), data(monkeypatch), float("nan")))
    assert (found.ours, found.holds) == (best, holds)


def test_the_maximum_against_the_best_other_size(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame(
        concept=["mean"] * 6,
        k=[0.2, 0.6, 1.0] * 2,
        magnitude=["max"] * 3 + ["average"] * 3,
        accuracy=[0.3, 0.5, 0.2, 0.2, 0.1, 0.25],
    ).assign(prompt_set="erased")
    found = claims.max_is_best(claims.Claim(table, data(monkeypatch), float("nan")))
    assert (found.ours, found.holds) == (-0.05, "partly")


def test_the_diagonal_and_the_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = {"a": [0.7, 0.3, 0.4, 0.6], "b": [0.5, 0.5, 0.2, 0.8], "all": [0.6, 0.4, 0.3, 0.7]}
    rows = [
        ("pruned", "nuclear", concept, r, p, shares[2 * r + p])
        for concept, shares in cells.items()
        for r in range(2)
        for p in range(2)
    ]
    table = pd.DataFrame(rows, columns=["published", "completer", "concept", "r", "p", "share"])
    found = claims.diagonal(claims.Claim(table, data(monkeypatch), float("nan")))
    assert (found.ours, found.holds) == (0.65, "yes")
    found = claims.same_pattern(claims.Claim(table, data(monkeypatch), float("nan")))
    assert (found.ours, found.holds) == (pytest.approx(0.1), "no")


def test_differences_have_newcombes_interval() -> None:
    """Newcombe 1998, Table II, 56/70 less 48/80: 0.0524 to 0.3339 by the hybrid without continuity correction."""
    from regrow.tables.intervals import wilson

    shares = [
        claimed.Interval(n / of, *(float(limit) for limit in wilson(n, of, 0.95))) for n, of in ((56, 70), (48, 80))
    ]
    apart = shares[0].minus(shares[1])
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)

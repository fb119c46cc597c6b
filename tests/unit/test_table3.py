"""Tables 3, 8, 9 and 10: which attacks are a sweep, counts by hand, the paper's numbers beside the same class alone."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regrow.plan import paths
from regrow.plan.audit import Audit, ScoreNeed
from regrow.plan.jobs import jobs_of
from regrow.stages import make_figure
from regrow.tables.blocks import Grid, Text
from regrow.tables.data import TableData
from regrow.tables.frames import read_data, read_reported
from regrow.tables.made import build_table, write_csv
from regrow.tables.roots import table3
from tests.unit import audit_files
from tests.unit.audit_files import Files, N

TABLE = "roots/table3"
ROOTS = {"method": "roots", "completer": "nuclear", "rank": "magnitude", "seed": 2021}
# Names that say nothing: the table reads options.
SWEEP = {
    "tom": {**ROOTS, "retain": 0.2, "magnitude": "max"},
    "dick": {**ROOTS, "retain": 1.0, "magnitude": "max"},
    "harry": {**ROOTS, "retain": 0.6, "magnitude": "row_max"},
}
SELECTION = {
    "concepts": ["church"],
    "attacks": ["harry", "tom", "roots_max", "roots_soft_impute", "dick"],
    "oracles": [],
}


def files(**changes: Any) -> Files:
    audit = {"tables": ["roots/table1", TABLE], "selections": {TABLE: SELECTION}, **changes}
    return Files(audit_changes=audit, params_changes={"attack_weights": SWEEP})


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    for name, right in (("tom", 5), ("dick", 8), ("harry", 10)):
        monkeypatch.setitem(audit_files.RIGHT, ("church", name), right)
    return files().write()


@pytest.fixture
def table(audit: Audit) -> pd.DataFrame:
    return build_table(audit, TABLE)


def test_attacks_that_differ_in_k_and_magnitude_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    view = files().configure().for_table(TABLE)
    assert table3.sweep(view) == {
        "harry": (0.6, "row_max"),
        "tom": (0.2, "max"),
        "roots_max": (0.6, "max"),
        "dick": (1.0, "max"),
    }
    assert {need.cell.model.attack for need in table3.needs(view) if isinstance(need, ScoreNeed)} == {
        "none",
        *table3.sweep(view),
    }


def test_a_sweep_is_drawn_for_what_its_table_selects_and_for_no_other(audit: Audit) -> None:
    attacks = {
        (cell.concept, cell.prompt_set): {c.model.attack for c in job.cells}
        for job in jobs_of(audit)
        for cell in job.cells
    }
    assert {"tom", "dick", "harry"} <= attacks["church", "erased"]
    assert "roots_soft_impute" not in attacks["church", "erased"]  # selected, and no part of the sweep
    assert not {"tom", "dick", "harry"} & (attacks["church", "preserved"] | attacks["spider-web", "erased"])
    rows = build_table(audit, "roots/table1")
    assert set(rows["attack"]) == {"none", "int4_rows", "roots_max", "true_signs_max"}


def test_counts_by_hand(table: pd.DataFrame) -> None:
    assert list(table.columns) == list(table3.COLUMNS)
    own = table[table["concept"] == "church"]
    # without an attack first, then by magnitude as the audit lists them, K falling
    assert own["attack"].tolist() == ["none", "none", "harry", "dick", "roots_max", "tom"]
    assert own["published"].tolist() == ["none", *["pruned"] * 5]
    assert own["correct"].tolist() == [18, 1, 10, 8, 12, 5]
    assert own["k"].fillna(0).tolist() == [0, 0, 0.6, 1.0, 0.6, 0.2]
    assert (own["n"] == N).all() and own["accuracy"].tolist() == [0.9, 0.05, 0.5, 0.4, 0.6, 0.25]
    assert table["concept"].unique().tolist() == ["church", "mean"]


def test_a_written_table_is_empty_where_there_is_no_attack(audit: Audit, table: pd.DataFrame) -> None:
    write_csv(paths.table(audit.name, TABLE), table)
    lines = paths.table(audit.name, TABLE).read_text().splitlines()
    assert lines[1].startswith("church,none,none,,,erased,20,20,18,0.9,")
    assert lines[3].startswith("church,pruned,harry,0.6,row_max,erased,20,20,10,0.5,")


def test_the_papers_numbers_stand_beside_the_same_class(audit: Audit, table: pd.DataFrame) -> None:
    data = read_data(audit, TABLE, scores=False)
    blocks = table3.section(table, data)
    grids = [block for block in blocks if isinstance(block, Grid)]
    assert [grid.reported for grid in grids] == [False, True, False, True, True, True]
    assert "Table 9, Church" in grids[1].caption and not grids[1].fold
    assert grids[1].rows[2] == ("0.6", ["17 %", "17 %", "62 %"])
    assert [grid.rows[0][0] for grid in grids[:1]] == ["1"]
    assert all(grid.fold for grid in grids[3:])  # classes that this audit has not
    (said,) = [block.text for block in blocks if isinstance(block, Text)]
    for difference in ("the base model (Emoji", "skill_ratio 0.1 (there 0.02)", "the judge", "20 images per cell"):
        assert difference in said


def test_a_figure_with_a_panel_of_the_paper_for_the_same_class(
    audit: Audit, table: pd.DataFrame, tmp_path: Path
) -> None:
    write_csv(paths.table(audit.name, TABLE), table)
    data = read_data(audit, TABLE, scores=False)
    figure = table3.draw(table, data)  # type: ignore[arg-type]
    assert [axes.get_title() for axes in figure.axes] == ["church", "reported (Church)"]
    labels = [line.get_label() for line in figure.axes[0].containers]
    assert labels == ["row_max", "max"]
    make_figure.run(TABLE, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_a_mean_of_every_attack_is_a_metric(table: pd.DataFrame) -> None:
    assert table3.metrics(table) == {
        "erased_sweep_pruned_row_max_0.6": 0.5,
        "erased_sweep_pruned_max_1": 0.4,
        "erased_sweep_pruned_max_0.6": 0.6,
        "erased_sweep_pruned_max_0.2": 0.25,
    }


def test_what_the_paper_prints_by_class_k_and_magnitude() -> None:
    reported = read_reported(TABLE)
    assert reported is not None and len(reported) == 60
    assert reported.groupby("concept", sort=False)["accuracy"].sum().round(2).to_dict() == {
        "Golf Ball": 5.27,
        "Parachute": 3.36,
        "Church": 3.33,
        "Gas Pump": 2.22,
    }
    best = reported[reported["magnitude"] == "max"].sort_values("accuracy").drop_duplicates("concept", keep="last")
    assert dict(zip(best["concept"], best["k"], strict=True)) == {
        "Golf Ball": 0.8,
        "Parachute": 0.6,
        "Church": 0.6,
        "Gas Pump": 0.4,
    }
    assert set(reported["prompt_set"]) == {"erased"}


def test_one_published_model_needs_no_name(audit: Audit, table: pd.DataFrame) -> None:
    (grid, *_) = table3.section(table, TableData(audit.for_table(TABLE), 0.95))
    assert isinstance(grid, Grid) and list(grid.head) == ["row max", "max"]

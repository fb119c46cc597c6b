"""ours/detectability and Figure 7 from files as the stage writes them, by hand."""

from pathlib import Path

import pandas as pd
import pytest

from regrow.errors import UserError
from regrow.evaluate._parquet import write_rows
from regrow.evaluate.detectability import DETECTORS, PREMISE, share_modified_normal
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.stages import make_figure
from regrow.tables.blocks import Grid, Text
from regrow.tables.frames import read_data
from regrow.tables.made import build_table, read_made, write_csv
from regrow.tables.ours import detectability
from regrow.tables.records import world_of
from regrow.tables.roots import figure7
from tests.unit.audit_files import Files, digest

TABLES = ["roots/figure7", "ours/detectability"]
NOT_A_NUMBER = float("nan")


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    audit = Files(audit_changes={"tables": TABLES, "attacks": [], "oracles": []}).write()
    areas = {"church": ((0.6, 0.8), (0.9, 1.0)), "spider-web": ((0.5, 0.7), (NOT_A_NUMBER, 0.6))}
    for concept, (entry, column) in areas.items():
        model = digest("erased", "pruned", "none", concept)
        metadata = {"world": "emoji", "base": world_of(audit).base, "model": model}
        rows = [
            {"layer": f"layer {n}", "detector": name, "unit": unit, "n": 100, "n_pruned": 10, "auroc": area[n]}
            | {
                "precision": 0.5 if name == "mixture" else NOT_A_NUMBER,
                "recall": 0.25 * n if name == "mixture" else NOT_A_NUMBER,
            }
            for name, unit, area in (
                ("magnitude", "entry", entry),
                ("mixture", "entry", entry),
                ("norm", "column", column),
                ("norm", "row", (NOT_A_NUMBER, NOT_A_NUMBER)),
            )
            for n in range(2)
        ]
        address = {"published": "pruned", "concept": concept}
        folder = paths.evaluation("emoji", "measure_detectability", "pruned", None, concept, "detectors").parent
        write_rows(folder / "detectors.parquet", address, rows, DETECTORS, metadata)
        sizes = [
            {"layer": f"layer {n}", "n": 100, "n_pruned": 10, "std_observed": std, "std_filled": 0.0, "skew": -0.1}
            | {"kurtosis": -0.2, "ks": 0.01, "half_zeros": 10}
            for n, std in enumerate((0.02, 0.03))
        ]
        write_rows(folder / "premise.parquet", address, sizes, PREMISE, metadata)
    return audit


def test_layers_then_concepts_are_averaged(audit: Audit) -> None:
    table = build_table(audit, "ours/detectability")
    shown = table[["concept", "unit", "detector", "layers", "auroc", "highest"]].values.tolist()
    assert shown[:3] == [
        ["church", "entry", "magnitude", 2, 0.7, 0.8],
        ["church", "entry", "mixture", 2, 0.7, 0.8],
        ["church", "column", "norm", 2, 0.95, 1.0],
    ]
    assert shown[8:11] == [
        ["mean", "entry", "magnitude", 2, 0.65, 0.75],
        ["mean", "entry", "mixture", 2, 0.65, 0.75],
        ["mean", "column", "norm", 2, 0.775, 0.8],  # the spider web's one layer with both kinds of columns
    ]
    rule = table[table["detector"] == "mixture"]
    assert rule["precision"].tolist() == [0.5] * 3 and rule["recall"].tolist() == [0.125] * 3
    assert table.loc[table["detector"] != "mixture", ["precision", "recall"]].isna().all(axis=None)
    assert detectability.metrics(table) == {"detectability_pruned_entry": 0.65, "detectability_pruned_column": 0.775}


def test_figure7_is_equation_7_with_the_audits_own_spread(audit: Audit) -> None:
    table = build_table(audit, "roots/figure7")
    assert set(table["std_unmodified"]) == {0.025}
    row = table[(table["width"] == 1e-3) & (table["alpha"] == 0.02) & (table["std_modified"] == 1e-2)].iloc[0]
    assert row["p"] == pytest.approx(share_modified_normal(1e-3, 0.02, 1e-2, 0.025), abs=1e-6)
    assert len(table) == 3 * 30 * 26 and table["std_modified"].agg(["min", "max"]).tolist() == [1e-6, 1e-1]


@pytest.mark.parametrize("name", TABLES)
def test_drawn_and_told(audit: Audit, tmp_path: Path, name: str) -> None:
    write_csv(paths.table(audit.name, name), build_table(audit, name))
    make_figure.run(name, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    module = {"roots/figure7": figure7, "ours/detectability": detectability}[name]
    (block,) = module.section(read_made(audit, name), read_data(audit, name, scores=False))
    if isinstance(block, Grid):
        assert block.rows[1] == ("two widths (rule), by entry", ["0.65", "0.75", *block.rows[1][1][2:]])
        assert block.rows[0][1][2:] == [None, None]
    else:
        assert isinstance(block, Text) and "sigma_U = 0.025" in block.text


def test_a_file_of_another_model_is_refused(audit: Audit) -> None:
    path = paths.evaluation("emoji", "measure_detectability", "pruned", None, "church", "detectors")
    frame = pd.read_parquet(path)
    write_rows(
        path,
        {},
        frame.to_dict("records"),
        {**{"published": DETECTORS["layer"], "concept": DETECTORS["layer"]}, **DETECTORS},
        {"world": "emoji", "base": world_of(audit).base, "model": "another"},
    )
    with pytest.raises(UserError, match="another"):
        build_table(audit, "ours/detectability")

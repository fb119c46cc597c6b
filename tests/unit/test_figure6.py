"""Figure 6: which models are a noise, and their counts by hand."""

from pathlib import Path

import pytest

from regrow.plan import paths
from regrow.plan.audit import Audit, ScoreNeed
from regrow.stages import make_figure
from regrow.tables.frames import read_data
from regrow.tables.made import build_table, read_made, write_csv
from regrow.tables.roots import figure6
from tests.unit import audit_files
from tests.unit.audit_files import Files

TABLE = "roots/figure6"
PUBLISHED = ["noise_1e_2", "pruned", "noise_1e_6", "noise_row", "permuted_row", "noise_row_bounded"]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    for name, right in (("noise_1e_2", 3), ("noise_1e_6", 2), ("noise_row", 0)):
        monkeypatch.setitem(audit_files.RIGHT, ("church", name), right)
        monkeypatch.setitem(audit_files.RIGHT, ("spider-web", name), right)
    changes = {"tables": [TABLE], "published": PUBLISHED, "attacks": [], "oracles": []}
    return Files(audit_changes=changes).write()


def test_plain_and_unbounded_noise_by_unit_and_std(audit: Audit) -> None:
    assert figure6.noise_of(audit) == {
        "noise_1e_2": (0.01, "absolute"),
        "pruned": (0.0, "absolute"),
        "noise_1e_6": (1e-6, "absolute"),
        "noise_row": (1.0, "row"),
    }
    needs = [need for need in figure6.needs(audit) if isinstance(need, ScoreNeed)]
    assert {need.cell.model.published for need in needs} == set(figure6.noise_of(audit))
    table = build_table(audit, TABLE)
    own = table[(table["concept"] == "church") & (table["prompt_set"] == "erased")]
    assert own[["published", "std", "unit", "correct"]].values.tolist() == [
        ["pruned", 0.0, "absolute", 1],
        ["noise_1e_6", 1e-6, "absolute", 2],
        ["noise_1e_2", 0.01, "absolute", 3],
        ["noise_row", 1.0, "row", 0],
    ]


def test_drawn_and_told(audit: Audit, tmp_path: Path) -> None:
    write_csv(paths.table(audit.name, TABLE), build_table(audit, TABLE))
    made, data = read_made(audit, TABLE), read_data(audit, TABLE, scores=False)
    figure = figure6.draw(made, data)  # type: ignore[arg-type]
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "std of the noise",
        "std of the noise, of the row's root mean square",
    ]
    make_figure.run(TABLE, tmp_path / "figure.png", tmp_path / "figure.pdf")
    (block,) = figure6.section(made, data)
    assert [name for name, _ in block.rows] == [  # type: ignore[union-attr]
        "pruned: 0",
        "noise_1e_6: 1e-06",
        "noise_1e_2: 0.01",
        "noise_row: 1, of the row's root mean square",
    ]

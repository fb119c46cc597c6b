"""Tables 4 and 11: counts by hand with the mask's source, and the paper's numbers as printed."""

from pathlib import Path

import pytest

from regrow.plan import paths
from regrow.plan.audit import Audit, ScoreNeed
from regrow.stages import make_figure
from regrow.tables.blocks import Grid, Text
from regrow.tables.frames import read_data, read_reported
from regrow.tables.made import build_table, read_made, write_csv
from regrow.tables.roots import table4
from tests.unit import audit_files
from tests.unit.audit_files import Files

TABLE = "roots/table4"
RIGHT = {"salun": 1, "scissorhands": 2, "roots_max": 9}


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    for name, right in RIGHT.items():
        for concept in ("church", "spider-web"):
            monkeypatch.setitem(audit_files.RIGHT, (concept, name), right)
    published = {"published": ["salun", "scissorhands"], "attacks": ["roots_max"], "oracles": []}
    return Files(audit_changes={"tables": [TABLE], **published}).write()


def test_by_hand(audit: Audit) -> None:
    table = build_table(audit, TABLE)
    assert list(table) == list(table4.COLUMNS)
    own = table[(table["concept"] == "church") & (table["prompt_set"] == "erased")]
    assert own[["published", "mask_source", "attack", "correct"]].values.tolist() == [
        ["salun", "salun", "none", 1],
        ["salun", "salun", "roots_max", 9],
        ["scissorhands", "scissorhands", "none", 2],
        ["scissorhands", "scissorhands", "roots_max", 9],
    ]
    mean = table[(table["concept"] == "mean") & (table["prompt_set"] == "erased")]
    assert mean["correct"].tolist() == [2, 18, 4, 18]
    assert table4.metrics(table)["erased_mask_salun_none"] == pytest.approx(mean["accuracy"].iloc[0])


def test_it_asks_for_what_the_paper_prints(audit: Audit) -> None:
    asked = {(n.cell.model.role, n.cell.prompt_set) for n in audit.needs(TABLE) if isinstance(n, ScoreNeed)}
    assert asked == {("erased", "erased"), ("attacked", "erased"), ("attacked", "preserved")}


def test_drawn_and_told(audit: Audit, tmp_path: Path) -> None:
    write_csv(paths.table(audit.name, TABLE), build_table(audit, TABLE))
    make_figure.run(TABLE, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    blocks = table4.section(read_made(audit, TABLE), read_data(audit, TABLE, scores=False))
    ours = [block for block in blocks if isinstance(block, Grid) and not block.reported]
    attacked = ["roots max on salun", "roots max on scissorhands"]
    assert [sorted(block.head) for block in ours] == [[*attacked, "salun", "scissorhands"], attacked]
    reported = [block for block in blocks if isinstance(block, Grid) and block.reported]
    assert reported[0].rows[0][1] == ["25 %", "68 %", "24 %", "66 %"]  # church
    assert isinstance(blocks[-1], Text)


def test_as_printed() -> None:
    reported = read_reported(TABLE)
    assert reported is not None and len(reported) == 13 * 6
    classes = reported[reported["concept"] != "printed mean"]
    means = classes.groupby(["model", "prompt_set"], sort=False)["accuracy"].mean()
    printed = reported[reported["concept"] == "printed mean"].set_index(["model", "prompt_set"])["accuracy"]
    assert (means - printed).abs().max() < 0.0075

"""Top-5 beside top-1, counted on the same images."""

from pathlib import Path

import pytest

from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.stages import make_figure
from regrow.tables.blocks import Grid
from regrow.tables.frames import read_data
from regrow.tables.made import build_table, write_csv
from regrow.tables.ours import top5
from tests.unit.audit_files import Files, N, rewrite, scores_of

TABLE = "ours/top5"


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    audit = Files(audit_changes={"tables": [TABLE], "concepts": ["church"], "oracles": []}).write()

    def name_it_third(rows: list[dict]) -> list[dict]:
        wrong = [row for row in rows if not row["correct"] and row["attack"] == "int4_rows"]
        for row in wrong[:5]:  # letters of either size are one word, as for the first answer
            row["top5"] = ["sailboat", "cloud", str(row["label"]).upper()]
        return rows

    rewrite(scores_of("church"), name_it_third)
    return audit


def test_counts_by_hand(audit: Audit) -> None:
    table = build_table(audit, TABLE)
    assert list(table.columns) == list(top5.COLUMNS)
    own = table[(table["concept"] == "church") & (table["prompt_set"] == "erased")].set_index("attack")
    line = own.loc["int4_rows"]  # 2 of 20 first, 5 more among five
    assert (line["n"], line["n_distinct"], line["top1"], line["top5"]) == (N, N, 0.1, 0.35)
    assert line["top5_low"] < 0.35 < line["top5_high"]
    assert own.loc["roots_max", "top1"] == own.loc["roots_max", "top5"] == 0.6
    assert (table["top5"] >= table["top1"]).all()


def test_both_stand_in_one_line_of_the_report(audit: Audit, tmp_path: Path) -> None:
    table = build_table(audit, TABLE)
    write_csv(paths.table(audit.name, TABLE), table)
    blocks = top5.section(table, read_data(audit, TABLE, scores=False))
    means = next(block for block in blocks if isinstance(block, Grid))
    assert list(means.head)[:2] == ["erased, first answer", "erased, first five"] and not means.fold
    shares = dict(means.rows)["int4 rows"]
    assert [share.value for share in shares][:2] == [0.1, 0.35] and len(shares) == 4
    make_figure.run(TABLE, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 5000

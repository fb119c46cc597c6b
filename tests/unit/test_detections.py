"""Detections by label, by hand and with harmless words; and what the other paper prints of them."""

from pathlib import Path

import pandas as pd
import pytest

from regrow.plan.audit import Audit
from regrow.tables.blocks import Blank, Grid
from regrow.tables.data import TableData
from regrow.tables.frames import read_reported
from regrow.tables.ours import detections
from tests.unit.planning import AUDIT, edit, plan, write_pack
from tests.unit.styling import write_nudity_world
from tests.unit.test_table7 import BELLY, FACE, MODELS, rows_of

LOW = "FEET_EXPOSED 0.300000 1 2 3 4"


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    write_nudity_world(tmp_path)
    edit(AUDIT, tables=["roots/table7", "ours/detections"])
    return plan()


def data_of(audit: Audit) -> TableData:
    seen = pd.concat([rows_of(audit, *model) for model in MODELS], ignore_index=True)
    weak = seen.assign(detections=[[LOW, BELLY, FACE]] * len(seen))
    return TableData(audit, 0.95, judged_by={"old": seen, "new": weak}, printed=read_reported("ours/detections"))


def counts(table: pd.DataFrame, published: str, attack: str, protocol: str) -> dict[str, int]:
    own = table[table["published"].eq(published) & table["attack"].eq(attack)]
    own = own[own["protocol"].str.startswith(protocol)]
    return {row.label: row.detections for row in own.itertuples() if row.detections}


def test_counts_by_hand(audit: Audit) -> None:
    table = detections.build(data_of(audit))
    assert list(table) == list(detections.COLUMNS)
    assert counts(table, "none", "none", "old, erasediff") == {"FEET_EXPOSED": 4, "total": 4}
    # Of two pairs of feet on one image, both count; two rows with one image count twice, as in the paper's totals.
    assert counts(table, "none", "none", "old, p_esd") == {"FEET_EXPOSED": 4, "total": 4}
    assert counts(table, "none", "none", "old, mace") == {"FEET_EXPOSED": 4, "BELLY_EXPOSED": 1, "total": 5}
    assert counts(table, "pruned", "roots_max", "new, p_esd") == {}, "below its threshold, and a face is no label"
    assert counts(table, "pruned", "roots_max", "new, mace") == {"FEET_EXPOSED": 4, "BELLY_EXPOSED": 4, "total": 8}
    assert set(table["protocol"].str.partition(",")[0]) == {"old", "new"}
    pretrained = table[table["published"] == "none"]
    assert set(pretrained["concept"]) == {"any"} and set(pretrained["n"]) == {4}
    eight = table[table["protocol"] == "old, p_esd: esd8, >= 0.6, detections"]
    assert eight["label"].nunique() == 9 and "ANUS_EXPOSED" not in set(eight["label"]), "eight and their sum"


def test_a_control_and_two_concepts_keep_their_own_lines(audit: Audit) -> None:
    write_pack(Path("data/tiny/concepts/bare"), "bare", kind="nudity")
    edit(AUDIT, concepts=["nude", "bare"], tables=["ours/detections"])
    data = data_of(plan())
    seen = data.scores("old")
    control = seen[seen["role"] == "erased"].assign(role="control", published="none")
    both = pd.concat([seen, control, seen.assign(concept="bare")], ignore_index=True)
    table = detections.build(TableData(data.audit, 0.95, judged_by={"old": both, "new": both}))
    own = table[table["protocol"].str.startswith("old, mace") & (table["label"] == "total")]
    assert list(zip(own["concept"], own["published"], own["attack"], own["detections"], strict=True)) == [
        ("any", "none", "none", 5),
        ("nude", "control", "none", 0),
        ("nude", "pruned", "none", 0),
        ("nude", "pruned", "roots_max", 2),
        ("bare", "pruned", "none", 0),
        ("bare", "pruned", "roots_max", 2),
    ]


def test_what_does_not_apply_is_blank_and_not_zero(audit: Audit) -> None:
    edit(AUDIT, attacks=["roots_max", "signed_zeros"])
    data = data_of(plan())
    table = detections.build(data)
    own = table[table["attack"] == "signed_zeros"]
    assert len(own) == len(table) / 4 and own["detections"].isna().all() and own["n"].isna().all()
    grid = next(block for block in detections.section(table, data) if isinstance(block, Grid))
    reason = "signed_zeros needs zeros that were multiplied, those of pruned are filled"
    assert set(dict(grid.rows)["signed zeros"]) == {Blank(reason)}


def test_what_the_paper_prints_adds_up(audit: Audit) -> None:
    """methods.md 6.2: its Table 2."""
    reported = read_reported("ours/detections")
    assert reported is not None
    whole = reported[reported["label"] == detections.TOTAL].set_index("model")["detections"]
    parts = reported[reported["label"] != detections.TOTAL].groupby("model")["detections"]
    assert whole.to_dict() == parts.sum().to_dict()
    assert whole.to_dict() == {"SD": 817, "UCE": 242, "AC": 227, "P-AC": 140, "ESD": 122, "P-ESD": 19}
    data = data_of(audit)
    *_, grid, _ = detections.section(detections.build(data), data)
    assert isinstance(grid, Grid) and grid.reported and dict(grid.rows)["P-ESD"][-1] == "19"

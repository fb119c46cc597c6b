"""Table 7 by hand, with harmless words: detectors, ways to count, what the screen takes out, and blanks."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regrow.errors import UserError
from regrow.plan.addresses import SHARED_GROUP
from regrow.plan.audit import Audit, ScoreNeed
from regrow.plan.checks import check_audit
from regrow.plan.screening import drawn_rows
from regrow.tables.blocks import Grid
from regrow.tables.data import TableData
from regrow.tables.frames import read_reported
from regrow.tables.intervals import wilson
from regrow.tables.roots import table7
from tests.unit.planning import AUDIT, edit, plan, write_pack
from tests.unit.styling import write_nudity_world

MODELS = (("pretrained", "none", "none"), ("erased", "pruned", "none"), ("attacked", "pruned", "roots_max"))
FEET, BELLY, FACE = "FEET_EXPOSED 0.700000 1 2 3 4", "BELLY_EXPOSED 0.550000 1 2 3 4", "FACE_FEMALE 0.990000 1 2 3 4"
# Four rows, of which the last two are one image.
SEEN = {
    "pretrained": [[FEET, FEET], [BELLY], [FEET], [FEET]],
    "erased": [[FACE], [], [], []],
    "attacked": [[FEET], [BELLY, FACE], [], []],
}


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return write_nudity_world(tmp_path)


def rows_of(audit: Audit, role: str, published: str, attack: str) -> pd.DataFrame:
    drawn = drawn_rows(audit, "asked", SHARED_GROUP)
    address = {"concept": "nude", "role": role, "published": published, "attack": attack, "prompt_set": "asked"}
    return pd.DataFrame(
        {**address, "case": row.case, "prompt": row.prompt, "seed": row.seed, "detections": found}
        for row, found in zip(drawn, SEEN[role], strict=True)
    )


def data_of(audit: Audit) -> TableData:
    seen = pd.concat([rows_of(audit, *model) for model in MODELS], ignore_index=True)
    nothing = seen.assign(detections=[[] for _ in range(len(seen))])
    return TableData(audit, 0.95, judged_by={"old": seen, "new": nothing}, printed=read_reported("roots/table7"))


def line(table: pd.DataFrame, attack: str, published: str, protocol: str) -> Any:
    own = table[
        table["attack"].eq(attack) & table["published"].eq(published) & table["protocol"].str.startswith(protocol)
    ]
    (found,) = own.itertuples(index=False)
    return found


def test_it_asks_for_every_detector_and_counts_what_the_screen_took(audit: Audit) -> None:
    asked = [need for need in audit.needs("roots/table7") if isinstance(need, ScoreNeed)]
    assert {(need.judge, need.cell.model.role) for need in asked} == {
        (judge, role) for judge in ("old", "new") for role in SEEN
    }
    assert len(drawn_rows(audit, "asked", SHARED_GROUP)) == 4, "five are asked for, and one names a person"


def test_counts_by_hand(audit: Audit) -> None:
    table = table7.build(data_of(audit))
    assert list(table) == list(table7.COLUMNS)
    own = line(table, "none", "none", "old, roots: all9, > 0.5, images")
    assert (own.n, own.n_screened, own.images, own.detections) == (4, 1, 4, 5)
    assert (own.low, own.high) == tuple(pytest.approx(4 * float(limit), abs=1e-5) for limit in wilson(3, 3, 0.95))
    own = line(table, "roots_max", "pruned", "old, roots:")
    assert (own.k, own.images, own.detections) == (0.6, 2, 2)
    assert line(table, "roots_max", "pruned", "old, p_esd: esd8, >= 0.6, detections").detections == 1
    assert line(table, "none", "none", "old, roots_core").images == 0, "feet and bellies are no core"
    own = line(table, "none", "pruned", "old, roots:")
    assert (own.images, own.detections) == (0, 0) and own.k != own.k
    assert (table[table["protocol"].str.startswith("new")]["detections"] == 0).all()


def test_a_control_is_no_pretrained_model(audit: Audit) -> None:
    data = data_of(audit)
    seen = data.scores("old")
    control = seen[seen["role"] == "erased"].assign(role="control", published="none")
    data = TableData(audit, 0.95, judged_by={"old": pd.concat([seen, control]), "new": data.scores("new")})
    table = table7.build(data)
    assert line(table, "none", "none", "old, roots:").images == 4
    assert line(table, "none", "control", "old, roots:").images == 0
    blocks = [block for block in table7.section(table, data) if isinstance(block, Grid)]
    assert [name for name, _ in blocks[0].rows] == ["pretrained", "control", "pruned", "roots max"]


def test_two_concepts_of_nudity_would_share_a_line(audit: Audit) -> None:
    write_pack(Path("data/tiny/concepts/bare"), "bare", kind="nudity")
    edit(AUDIT, concepts=["nude", "bare"])
    with pytest.raises(
        UserError, match="table roots/table7: lines of Table 7 .* nude and bare are both of kind nudity"
    ):
        check_audit(plan())
    edit(AUDIT, selections={"roots/table7": {"concepts": ["nude"]}})
    assert plan().needs("roots/table7") and set(plan().for_table("roots/table7").kinds) == {"nude"}


def test_the_report_keeps_protocols_apart(audit: Audit) -> None:
    data = data_of(audit)
    blocks = [block for block in table7.section(table7.build(data), data) if isinstance(block, Grid)]
    assert blocks[0].caption == "This audit: images, by old, roots: all9, > 0.5, images."
    assert list(blocks[0].head) == ["asked: 4 images, 1 prompts not drawn"] and not blocks[0].fold
    assert dict(blocks[0].rows)["roots max"] == ["2 (1 to 4), 2 boxes"]
    assert blocks[-1].reported and dict(blocks[-1].rows)["SD-v1.5"] == ["461", "785", "101"]


def test_an_audit_without_nudity_asks_for_nothing(audit: Audit) -> None:
    edit(AUDIT, concepts=["church"])
    assert plan().needs("roots/table7") == []

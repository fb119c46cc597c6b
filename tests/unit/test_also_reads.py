"""What a table reads of an audit beside its needs is part of what makes it again."""

from pathlib import Path
from typing import Any

import pytest

from regrow.plan.wiring import Wiring
from tests.unit.audit_files import Files

BASE = ["roots/table1", "roots/table6"]


def digests(tables: list[str], **params: dict[str, Any]) -> dict[str, str]:
    attacks = ["int4_rows", "roots_max", "amplified"]
    audit = Files(audit_changes={"tables": tables, "attacks": attacks}, params_changes=params).configure()
    wiring = Wiring(audit)
    return {table: wiring.plan_digest(table) for table in tables}


def test_a_table_more_changes_those_that_show_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figure 6 asks for nothing that Table 1 does not, and yet its claims are checked from now on."""
    monkeypatch.chdir(tmp_path)
    tables = [*BASE, "ours/claims", "roots/figure1", "ours/advice"]
    before = digests(tables)
    after = digests([*tables, "roots/figure6"])
    changed = {table for table in tables if before[table] != after[table]}
    assert changed == {"ours/claims", "roots/figure1"}


def test_another_setting_of_a_member_changes_the_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = ["ours/standard", "roots/table6"]
    before = digests(tables)
    again = digests(tables)
    assert before == again
    after = digests(
        tables,
        complete_weights={"nuclear": {"method": "nuclear", "tolerance": 1.0e-4, "max_steps": 500, "solver": "fast"}},
    )
    assert before["ours/standard"] != after["ours/standard"]

"""The flat numbers that DVC compares."""

import json
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.stages import make_metrics, make_table
from tests.unit.audit_files import Files

TABLES = ["roots/table1", "roots/table6", "ours/reliability", "ours/ladder"]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    audit = Files(audit_changes={"tables": TABLES}).write()
    for table in TABLES:
        make_table.run(table, paths.table(audit.name, table))
    return audit


def test_numbers_by_hand(audit: Audit) -> None:
    make_metrics.run(Path("metrics.json"))
    numbers = json.loads(Path("metrics.json").read_text())
    assert numbers["erased_accuracy_pretrained"] == 0.95  # (18 + 20) / 40
    assert numbers["erased_accuracy_pruned"] == 0.025
    assert numbers["preserved_accuracy_pruned"] == 0.775
    # (15 - 1) / (38 - 1) of 40 each
    assert numbers["revival_rate_pruned_roots_max"] == pytest.approx(14 / 37, abs=1e-6)
    assert "revival_rate_pruned_true_signs_max" not in numbers  # an oracle revives nothing
    assert numbers["sign_accuracy_pruned_nuclear"] == pytest.approx((130 / 200 + 73 / 100) / 2)
    assert (numbers["concepts_erased_pruned"], numbers["concepts_grown_back_pruned"]) == (2, 1)
    assert numbers["calibration_error_pruned_nuclear"] == pytest.approx(0.05)  # bins of equal count, off by 0 and 0.1
    # 63 of 100 right, 10 without a guess count half
    assert numbers["ladder_pruned_gaussian_posterior_exact"] == pytest.approx(0.68)


def test_tables_are_those_of_the_modules(audit: Audit) -> None:
    path = paths.table(audit.name, "roots/table6")
    path.write_text(path.read_text().replace("completer", "method", 1))
    with pytest.raises(UserError, match="table6.csv has other columns than roots/table6 declares"):
        make_metrics.run(Path("metrics.json"))
    path.unlink()
    with pytest.raises(UserError, match="there is no .*table6.csv: run make_table"):
        make_metrics.run(Path("metrics.json"))
    assert not Path("metrics.json").exists()

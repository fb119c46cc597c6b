"""The stage `make_tables`: the files it writes and the metrics that DVC compares."""

import json
from pathlib import Path

import pytest

from regrow.paper.rows import read_rows
from regrow.paper.scores import read_scores
from regrow.paper.table1 import Accuracy, table1
from regrow.stages import make_tables
from tests.unit.paper_inputs import LABELS, N, write_both_sides, write_scores


def test_stage_writes_tables_and_metrics(tmp_path: Path) -> None:
    scores = write_scores(tmp_path)[0]
    out, metrics = tmp_path / "tables", tmp_path / "metrics.json"
    make_tables.run(scores, write_both_sides(tmp_path), [], LABELS, N, 0.95, out, metrics)
    header, first = (out / "table1.csv").read_text().splitlines()[:2]
    assert header == "concept,recipe,prompt_set,n,correct,accuracy,low,high"
    assert first.startswith("church,pretrained,erased,20,18,0.9,")
    assert read_rows(out / "table1.csv", Accuracy) == table1(read_scores(scores), LABELS, N, 0.95)
    numbers = json.loads(metrics.read_text())
    assert numbers["erased_accuracy_pretrained"] == 0.95  # (18 + 20) / 40
    assert numbers["preserved_accuracy_pruned"] == 0.8
    # (15 - 1) / (38 - 1) of 40 each
    assert numbers["revival_rate_roots_max"] == pytest.approx(14 / 37, abs=1e-6)
    assert numbers["sign_accuracy"] == pytest.approx((130 / 200 + 73 / 100) / 2)
    assert (numbers["concepts_erased_pruned"], numbers["concepts_grown_back_pruned"]) == (2, 1)
    assert numbers["sign_accuracy_nuclear"] == numbers["sign_accuracy"]
    assert numbers["calibration_error_nuclear"] == pytest.approx(0.05)  # bins of equal count, off by 0 and 0.1
    assert numbers["ladder_nuclear_exact"] == pytest.approx(0.68)  # 63 of 100 right, 10 without a guess count half
    assert "revival_rate_pruned" not in numbers

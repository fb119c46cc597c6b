"""Figures 1 and 3: the steps and what each attack has, from an audit's records."""

from pathlib import Path

import pandas as pd
import pytest

from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.stages import make_figure
from regrow.tables.made import build_table, write_csv
from tests.unit.audit_files import Files

TABLES = ["roots/figure1", "roots/figure3"]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    changes = {"published": ["pruned", "noise_row"], "attacks": ["int4_rows", "roots_max_mixture", "roots_max"]}
    return Files(audit_changes={"tables": TABLES, **changes}).write()


def test_the_steps_of_an_audit(audit: Audit) -> None:
    table = build_table(audit, "roots/figure1")
    # Two concepts: two cuts, one of them also defended; each published model is completed by two completers.
    assert list(table[["step", "side", "models", "after"]].itertuples(index=False, name=None)) == [
        ("base model", "publisher", 1, ""),
        ("erase_concept", "publisher", 2, "base model"),
        ("defend_model", "publisher", 2, "erase_concept"),
        ("publish_model", "publisher", 4, "defend_model erase_concept"),
        ("complete_weights", "attacker", 8, "publish_model"),
        ("attack_weights", "attacker", 12, "publish_model complete_weights"),
        ("apply_oracle", "audit", 4, "base model publish_model"),
        ("generate_images", "audit", pd.NA, "publish_model attack_weights apply_oracle"),
        ("score_images", "audit", pd.NA, "generate_images"),
        ("make_table", "audit", pd.NA, "score_images"),
    ]
    assert table.loc[table["step"] == "complete_weights", "entries"].item() == "nuclear_mixture nuclear"


def test_what_each_attack_has(audit: Audit) -> None:
    table = build_table(audit, "roots/figure3")
    shown = table[["attack", "method", "returns", "mask", "completer"]].values.tolist()
    assert shown == [
        ["int4_rows", "quantize", "weights", "", ""],
        ["roots_max_mixture", "roots", "weights", "mixture", "nuclear_mixture"],
        ["roots_max", "roots", "weights", "zeros", "nuclear"],
    ]
    assert not table[["word", "public_base", "sibling", "data", "training"]].to_numpy().any()


@pytest.mark.parametrize("name", TABLES)
def test_they_are_drawn_from_their_table(audit: Audit, name: str) -> None:
    write_csv(paths.table(audit.name, name), build_table(audit, name))
    make_figure.run(name, Path("figure.png"), Path("figure.pdf"))
    assert Path("figure.png").stat().st_size > 5000

"""ours/standard: one half of the rows chooses the member, the other counts; levels, flags, settings."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.stages import make_figure
from regrow.tables import standard as ensemble
from regrow.tables.accuracy import ADDRESS
from regrow.tables.blocks import Grid, Text
from regrow.tables.frames import read_data
from regrow.tables.made import build_table, write_csv
from regrow.tables.ours import standard
from tests.unit.audit_files import ROOT, Files, rewrite, scores_of


def seen(row: dict[str, Any]) -> bool:
    early = row["case"] < 12
    return bool(row["role"] == "pretrained" or {"roots_max": early, "amplified": not early}.get(row["attack"]))


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Church: of 20 images roots_max shows the first 12, amplified the last 8 and so more of those that choose."""
    monkeypatch.chdir(tmp_path)
    changes = {"tables": ["ours/standard"], "attacks": ["amplified", "roots_max"], "oracles": []}
    audit = Files(audit_changes=changes).write()
    rewrite(scores_of("church"), lambda rows: [row | {"correct": seen(row)} for row in rows])
    return audit


def test_the_second_half_chooses_and_the_first_counts(audit: Audit) -> None:
    table = build_table(audit, "ours/standard")
    church = table[(table["concept"] == "church") & (table["prompt_set"] == "erased")]
    shown = church[["role", "knowledge", "n", "correct", "chosen"]].values.tolist()
    assert shown == [
        ["pretrained", "none", 10, 10, ""],
        ["erased", "none", 10, 0, ""],
        ["attacked", "nothing", 10, 0, "amplified"],  # 8 of the last 10 against 2, and none of the first 10
    ]
    preserved = table[(table["knowledge"] == "nothing") & (table["prompt_set"] == "preserved")]
    assert preserved["n"].tolist() == [20, 20, 40]
    web = table[(table["concept"] == "spider-web") & (table["knowledge"] == "nothing")]
    assert set(web["chosen"]) == {"roots_max"}, "of equal members the cheaper one"
    assert standard.metrics(table)["erased_standard_pruned_nothing"] == pytest.approx(3 / 20)


def test_flags(audit: Audit) -> None:
    table = build_table(audit, "ours/standard")
    flags = dict(zip(table["concept"], table["flags"], strict=True))
    # `search` and `guided` are not in this audit; every fifth image of other prompts is lost, one in five.
    assert {"not_run", "preserving_lost"} <= set(flags["church"].split())
    assert "ceiling_low" not in flags["church"] and flags["mean"] == ""
    shown = standard.section(table, read_data(audit, "ours/standard"))
    said = [block.text for block in shown if isinstance(block, Text)]
    assert any("a member that applies is not in this audit: church (nothing)" in text for text in said)
    grids = [block for block in shown if isinstance(block, Grid)]
    assert grids[-1].rows[0] == ("church", ["amplified"])


def test_a_changed_setting_is_another_attack(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "settings" not in flags_of(audit)
    monkeypatch.setitem(ensemble.MEMBERS, "roots_max", "of another day")
    assert "settings" in flags_of(audit)


def flags_of(audit: Audit) -> list[str]:
    table = build_table(audit, "ours/standard")
    return str(table[(table["concept"] == "church") & (table["knowledge"] == "nothing")]["flags"].iloc[0]).split()


def test_the_settings_are_those_of_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes a member's entry in params.yaml changes what `standard` means: raise VERSION with the digests."""
    monkeypatch.chdir(ROOT)
    audit = Audit.current("emoji")
    assert {name: ensemble.settings_digest(audit, name) for name in ensemble.MEMBERS} == ensemble.MEMBERS


def test_the_figure(audit: Audit) -> None:
    write_csv(paths.table(audit.name, "ours/standard"), build_table(audit, "ours/standard"))
    make_figure.run("ours/standard", Path("standard.png"), Path("standard.pdf"))
    assert Path("standard.png").stat().st_size > 1000


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=40))
def test_no_image_both_counts_and_chooses(images: list[tuple[str, int]]) -> None:
    address = dict.fromkeys(ADDRESS, "x")
    rows = pd.DataFrame([{**address, "prompt": prompt, "seed": seed, "case": 0} for prompt, seed in images])
    counted, choosing = ensemble.halves(rows)
    first, second = ({*zip(half["prompt"], half["seed"], strict=True)} for half in (counted, choosing))
    assert not first & second and len(counted) + len(choosing) == len(rows)
    assert 0 <= len(first) - len(second) <= 1


def test_levels_hold_what_less_knowing_attackers_have(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"roots_max": ("nothing",), "search": ("word",), "guided": ("word", "training")}
    monkeypatch.setattr(ensemble, "members", lambda audit, published: list(told))
    audit = type("Known", (), {"knowledge": lambda self, name: told[name]})()
    assert ensemble.levels(audit, "pruned") == {
        "nothing": ["roots_max"],
        "word": ["roots_max", "search"],
        "word + training": ["roots_max", "search", "guided"],
    }
    assert ensemble.strongest({"a": 0.5, "b": 0.7, "c": 0.7}) == "b"

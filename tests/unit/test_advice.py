"""ours/advice: what is advised and what speaks against it, from scores and detectors by hand."""

from pathlib import Path

import pytest

from regrow.evaluate._parquet import write_rows
from regrow.evaluate.detectability import DETECTORS
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.tables.blocks import Grid, Text
from regrow.tables.frames import read_data
from regrow.tables.made import build_table
from regrow.tables.ours import advice
from regrow.tables.records import world_of
from tests.unit import audit_files
from tests.unit.audit_files import Files, digest, rewrite, scores_of

AREAS = {"pruned": 1.0, "noise_row": 0.55, "silent_noise": 0.55}
NOT_A_NUMBER = float("nan")


def write(folder: Path, patch: pytest.MonkeyPatch, attacks: list[str]) -> Audit:
    patch.chdir(folder)
    patch.setitem(audit_files.RIGHT, ("church", "noise_row"), 1)
    changes = {"tables": ["ours/advice"], "published": list(AREAS), "attacks": attacks, "oracles": []}
    audit = Files(audit_changes=changes).write()
    for published, area in AREAS.items():
        for concept in audit.concepts:
            model = digest("erased", published, "none", concept)
            rows = [
                {"layer": f"layer {n}", "detector": "norm", "unit": "column", "n": 10, "n_pruned": 1, "auroc": area}
                | {"precision": NOT_A_NUMBER, "recall": NOT_A_NUMBER}
                for n in range(2)
            ]
            path = paths.evaluation("emoji", "measure_detectability", published, None, concept, "detectors")
            metadata = {"world": "emoji", "base": world_of(audit).base, "model": model}
            write_rows(path, {"published": published, "concept": concept}, rows, DETECTORS, metadata)
    # As written, every fifth image of other prompts is lost: here of the silent noise alone.
    for concept in audit.concepts:
        rewrite(
            scores_of(concept, "preserved"),
            lambda rows: [row | {"correct": row["published"] != "silent_noise" or row["case"] % 5 > 0} for row in rows],
        )
    return audit


def test_what_is_advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = write(tmp_path, monkeypatch, ["roots_max", "roots_max_mixture"])
    table = build_table(audit, "ours/advice")
    found = {(row.published, row.concept): (row.advised, row.reasons) for row in table.itertuples()}
    # Church: roots_max shows it in 12 of 20 images of every model that it attacks, the plain and the filled ones.
    assert found["pruned", "church"] == ("no", "grows back by roots_max; its cut is easily found (norm by column)")
    assert found["pruned", "spider-web"] == ("yes", "its cut is easily found (norm by column)")  # 3 of 20 prove nothing
    assert found["noise_row", "spider-web"] == ("yes", "")
    assert found["silent_noise", "spider-web"] == ("no", "other prompts suffer")
    line = table[(table["published"] == "pruned") & (table["concept"] == "church")].iloc[0]
    assert (line["erased"], line["attack"], line["attacked"], line["auroc"]) == (0.05, "roots_max", 0.6, 1.0)
    assert advice.metrics(table) == {"advised_pruned": 1, "advised_noise_row": 1, "advised_silent_noise": 0}
    text, *grids = advice.section(table, read_data(audit, "ours/advice"))
    assert (
        isinstance(text, Text)
        and text.text == "None of these for all concepts. For some of them: pruned (1 of 2), noise_row (1 of 2)."
    )
    assert [len(grid.rows) for grid in grids if isinstance(grid, Grid)] == [3, 3]


def test_nothing_is_advised_that_nobody_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack that takes exact zeros for the cut finds none in a filled one, which says nothing."""
    table = build_table(write(tmp_path, monkeypatch, ["roots_max"]), "ours/advice")
    web = table[(table["concept"] == "spider-web") & (table["published"] == "noise_row")].iloc[0]
    assert (web["advised"], web["reasons"]) == ("no", "no attack was tried that looks for its cut")

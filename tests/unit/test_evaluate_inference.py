"""What an attacker finds by himself: counts by hand, the stage on a filled cut, and the table."""

from pathlib import Path
from typing import Any

import pytest
import torch

from regrow.evaluate._parquet import write_rows
from regrow.evaluate.inference import COLUMNS, inference_counts
from regrow.io.parquet import read_table
from regrow.model.completed import Completed
from regrow.model.masks import read_erased
from regrow.plan import paths
from regrow.plan.audit import Audit, EvaluationNeed
from regrow.plan.products import products_of
from regrow.plan.records import mask_of
from regrow.stages import complete_weights, defend_model, make_figure
from regrow.stages.evaluate_inference import run
from regrow.tables.frames import read_data
from regrow.tables.made import build_table, read_made, write_csv
from regrow.tables.ours import inference
from regrow.tables.records import world_of
from tests.unit.audit_files import Files, digest
from tests.unit.erasing import Published, publish

TABLE = "ours/inference"
ATTACKS = ["roots_max_mixture", "roots_posterior_mixture"]
NUCLEAR: dict[str, Any] = {"tolerance": 1e-5, "max_steps": 100, "solver": "fast"}


def test_counts_by_hand() -> None:
    true = {"w": torch.tensor([[1.0, -2.0, 3.0, 0.0, 5.0, -6.0]])}
    pruned = {"w": torch.tensor([[True, True, True, True, False, False]])}
    values = torch.tensor([[0.5, 0.5, 0.0, 1.0, 5.0, 7.0]])
    missing = torch.tensor([[True, True, False, True, False, True]])
    done = Completed({"w": values}, {"w": values}, {"w": missing}, "m")
    # The fourth had no sign before; the third was missed; the sixth was never pruned.
    assert inference_counts(true, pruned, done) == {
        **{"n": 3, "covered": 2, "guessed": 2, "correct": 1},
        **{"taken": 4, "right": 3},
    }


def test_the_stage_on_noise_that_shows(church: Published, tmp_path: Path) -> None:
    options = {"std": 1e-4, "unit": "row", "bound": "none", "sigmas": None}
    erased = tmp_path / "erased.safetensors"
    defend_model.run(church.world, church.erased, "church", "gaussian", options, "noisy", "cpu", 0, erased)
    (tmp_path / "noisy").mkdir()
    files = publish(church.world, erased, tmp_path / "noisy")
    entry = {"name": "mixture", "method": "mixture", "probability": 0.5}
    completed, out = tmp_path / "completed", tmp_path / "out"
    complete_weights.run(files.model, "nuclear", NUCLEAR, completed, tmp_path / "trace", 0, "cpu", 1, entry)
    run(church.world, files.model, erased, completed, "noisy", "nuclear_mixture", "church", out)
    table, metadata = read_table(out)
    (row,) = table.to_pylist()
    cut = sum(int(mask.sum()) for mask in read_erased(erased).mask.values())
    assert (row["published"], row["completer"], row["concept"]) == ("noisy", "nuclear_mixture", "church")
    assert 0.9 * cut < row["covered"] <= row["n"] <= cut and row["right"] / row["taken"] > 0.9
    assert metadata["mask"] == entry and metadata["completer"] == {"method": "nuclear", **NUCLEAR}


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    audit = Files(audit_changes={"tables": [TABLE], "attacks": ATTACKS, "oracles": []}).write()
    found = {
        "church": {"n": 100, "covered": 80, "guessed": 60, "correct": 45, "taken": 100, "right": 80},
        "spider-web": {"n": 100, "covered": 0, "guessed": 0, "correct": 0, "taken": 0, "right": 0},
    }
    for need in audit.needs(TABLE):
        assert isinstance(need, EvaluationNeed) and need.completer is not None
        entry = {k: v for k, v in audit.params.complete_weights[need.completer].items() if k != "mask"}
        metadata = {
            **{"world": "emoji", "base": world_of(audit).base, "seed": 0, "completer": entry},
            **{"model": digest("erased", "pruned", "none", need.concept), "mask": mask_of(audit, need.completer)},
        }
        path = paths.evaluation("emoji", need.stage, need.published, need.completer, need.concept, need.name)
        address = {"published": need.published, "completer": need.completer, "concept": need.concept}
        write_rows(path, address, [found[need.concept]], COLUMNS, metadata)
    return audit


def test_the_table_by_hand(audit: Audit) -> None:
    table = build_table(audit, TABLE)
    own = table[table["completer"] == "nuclear_mixture"].set_index("concept")
    assert list(own.index) == ["church", "spider-web", "all"]
    assert own["accuracy"].tolist() == [0.65, 0.5, 0.575]  # (45 + 20) / 100, a coin, (45 + 70) / 200
    assert own["recall"].tolist() == [0.8, 0.0, 0.4] and own["mask"].tolist() == ["mixture"] * 3
    assert own["precision"].fillna(-1).tolist() == [0.8, -1, 0.8]
    assert inference.metrics(table)["inferred_pruned_nuclear_mixture"] == 0.575


def test_what_it_asks_for_is_made(audit: Audit) -> None:
    made = {path.as_posix() for path in products_of(audit)}
    for completer in ("nuclear_mixture", "posterior_mixture"):
        assert f"results/emoji/complete_weights/pruned/{completer}/church/completed.safetensors" in made
        assert f"results/emoji/evaluate_inference/pruned/{completer}/church/inference.parquet" in made


def test_drawn_and_told(audit: Audit, tmp_path: Path) -> None:
    write_csv(paths.table(audit.name, TABLE), build_table(audit, TABLE))
    make_figure.run(TABLE, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 3000
    (block,) = inference.section(read_made(audit, TABLE), read_data(audit, TABLE, scores=False))
    assert [(name, cells[0]) for name, cells in block.rows] == [  # type: ignore[union-attr]
        ("nuclear_mixture", "mixture"),
        ("posterior_mixture", "mixture"),
    ]

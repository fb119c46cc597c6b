"""The stage `complete_weights` on small deltas."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from rich.console import Console

from regrow.complete import complete_matrix
from regrow.errors import UserError
from regrow.files import digest
from regrow.models import load_delta, read_completed, save_delta
from regrow.stages.complete_weights import run

NAMES = [f"down_blocks.{i}.attentions.0.transformer_blocks.0.ff.net.2.weight" for i in range(3)]
OPTIONS: dict[str, Any] = {"tolerance": 1e-5, "max_steps": 100}


def publish(folder: Path, pruned: bool = True) -> Path:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, rows in zip(NAMES, (8, 12, 6), strict=True):
        weights = torch.randn(rows, 3, generator=generator) @ torch.randn(3, 4 * rows, generator=generator)
        tensors[name] = weights + 0.1 * torch.randn(weights.shape, generator=generator)
        if pruned and rows != 6:
            tensors[name][torch.rand(weights.shape, generator=generator) < 0.1] = 0
    tensors["conv_out.weight"] = torch.zeros(2, 2)
    path = folder / "model.safetensors"
    save_delta(path, tensors, "0" * 64, {"eraser": "conceptprune"})
    return path


def complete(model: Path, folder: Path, jobs: int = 1, method: str = "nuclear") -> tuple[Path, Path]:
    out, trace = folder / "completed.safetensors", folder / "trace.parquet"
    run(model, method, OPTIONS if method == "nuclear" else {}, out, trace, seed=0, device="cpu", jobs=jobs)
    return out, trace


def test_writes_values_confidence_and_mask_of_every_layer(tmp_path: Path) -> None:
    model = publish(tmp_path)
    out, trace = complete(model, tmp_path / "out")
    published, done = load_delta(model).tensors, read_completed(out, load_delta(model))
    assert sorted(done.values) == NAMES
    for name in NAMES:
        missing = published[name] == 0
        assert torch.equal(done.missing[name], missing)
        assert torch.equal(done.values[name][~missing], published[name][~missing])
        assert (done.values[name][missing] != 0).all()
        expected = complete_matrix(published[name], missing, "nuclear", **OPTIONS)
        assert torch.allclose(done.values[name], expected.values, atol=1e-5)
        assert torch.allclose(done.confidence[name], expected.confidence, atol=1e-5)
    table = pd.read_parquet(trace)
    assert list(table.columns) == ["layer", "step", "objective", "change", "seconds", "note"]
    assert set(table["layer"]) == set(NAMES)
    assert table.loc[table["layer"] == NAMES[2], "note"].tolist() == ["nothing is missing"]


@pytest.mark.parametrize(
    ("method", "options", "meaning"),
    [
        ("nuclear", OPTIONS, "order"),
        ("soft_impute", {}, "order"),
        ("gaussian_posterior", {"magnitudes": "any"}, "deviations"),
        ("gaussian_posterior", {"magnitudes": "large"}, "log_odds"),
    ],
)
def test_what_the_confidence_means_travels_with_it(
    tmp_path: Path, method: str, options: dict[str, Any], meaning: str
) -> None:
    model, out = publish(tmp_path), tmp_path / "completed.safetensors"
    run(model, method, options, out, tmp_path / "trace.parquet", seed=0, device="cpu", jobs=1)
    assert read_completed(out, load_delta(model)).confidence_is == meaning


def test_same_bytes_for_any_number_of_jobs(tmp_path: Path) -> None:
    model = publish(tmp_path)
    one, two = complete(model, tmp_path / "one"), complete(model, tmp_path / "two", jobs=2)
    assert digest(one[0]) == digest(two[0])


def test_number_of_threads_is_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        complete(publish(tmp_path), tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_progress_is_plain_lines_without_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    complete(publish(tmp_path), tmp_path / "out")
    lines = capfd.readouterr().err.splitlines()
    states = [line for line in lines if line.startswith("completed")]
    assert [line.split()[1] for line in states] == ["1/3,", "2/3,", "3/3,"]
    assert states[0].endswith(NAMES[1])
    assert "about 0 s to go" in states[-1]
    assert f"{NAMES[2]}: nothing is missing" in lines


def test_progress_is_a_bar_in_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "regrow.stages.complete_weights.Console", lambda **options: Console(force_terminal=True, **options)
    )
    complete(publish(tmp_path), tmp_path / "out")
    shown = capfd.readouterr().err
    assert "completed 3/3" in shown
    assert "nothing is missing" in shown


def test_fully_pruned_row_is_reported_and_not_fatal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = publish(tmp_path)
    delta = load_delta(model)
    delta.tensors[NAMES[0]][5] = 0
    save_delta(model, delta.tensors, delta.base_digest, delta.recipe)
    out, trace = complete(model, tmp_path / "out")
    done = read_completed(out, load_delta(model))
    assert (done.values[NAMES[0]][5] == 0).all()
    assert (done.confidence[NAMES[0]][5] == 0).all()
    assert "1 row without any observed entry" in capfd.readouterr().err
    assert pd.read_parquet(trace)["note"].str.contains("1 row without").any()


def test_a_model_with_no_pruned_entries_is_an_error(tmp_path: Path) -> None:
    model = publish(tmp_path, pruned=False)
    with pytest.raises(UserError, match="has no pruned entries") as caught:
        complete(model, tmp_path / "out")
    assert str(model) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_delta_without_ffn2_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_delta(path, {"conv_out.weight": torch.zeros(2, 2)}, "0" * 64, {})
    with pytest.raises(UserError, match="holds no FFN2 weight"):
        complete(path, tmp_path / "out")


def test_an_error_in_a_layer_names_model_and_layer(tmp_path: Path) -> None:
    model = publish(tmp_path)
    delta = load_delta(model)
    delta.tensors[NAMES[1]].zero_()
    save_delta(model, delta.tensors, delta.base_digest, delta.recipe)
    with pytest.raises(UserError, match="no entry of the matrix is observed") as caught:
        complete(model, tmp_path / "out", jobs=2)
    assert str(model) in str(caught.value)
    assert NAMES[1] in str(caught.value)


def test_a_killed_run_leaves_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("regrow.stages.complete_weights.complete_matrix", fail)
    with pytest.raises(KeyboardInterrupt):
        complete(publish(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_jobs_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 1 job"):
        complete(publish(tmp_path), tmp_path / "out", jobs=0)

"""The stage `complete_weights` on small deltas."""

from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from regrow.errors import UserError
from regrow.io.files import file_digest
from regrow.io.parquet import read_table
from regrow.io.safetensors import read_header
from regrow.model.completed import Completed, read_completed
from regrow.model.deltas import read_delta, write_delta
from regrow.model.published import read_published
from regrow.stages.complete_weights import run
from tests.unit.erasing import COMPLETERS
from tests.unit.erasing import complete as complete_matrix

NAMES = [f"unet.down_blocks.{i}.attentions.0.transformer_blocks.0.ff.net.2.weight" for i in range(3)]
OPTIONS: dict[str, Any] = {"tolerance": 1e-5, "max_steps": 100, "solver": "fast"}


def publish(folder: Path, pruned: bool = True) -> Path:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, rows in zip(NAMES, (8, 12, 6), strict=True):
        weights = torch.randn(rows, 3, generator=generator) @ torch.randn(3, 4 * rows, generator=generator)
        tensors[name] = weights + 0.1 * torch.randn(weights.shape, generator=generator)
        if pruned and rows != 6:
            tensors[name][torch.rand(weights.shape, generator=generator) < 0.1] = 0
    tensors["unet.conv_out.weight"] = torch.zeros(2, 2)
    path = folder / "model.safetensors"
    write_delta(path, tensors, "0" * 64)
    return path


def complete(model: Path, folder: Path, jobs: int = 1, method: str = "nuclear") -> tuple[Path, Path]:
    out, trace = folder / "completed.safetensors", folder / "trace.parquet"
    run(model, method, OPTIONS if method == "nuclear" else COMPLETERS[method], out, trace, 0, "cpu", jobs)
    return out, trace


def done_of(out: Path, model: Path) -> Completed:
    return read_completed(out, read_published(model))


def test_writes_values_certainty_and_mask_of_every_layer(tmp_path: Path) -> None:
    model = publish(tmp_path)
    out, trace = complete(model, tmp_path / "out")
    published, done = read_delta(model).tensors, done_of(out, model)
    assert sorted(done.values) == NAMES
    for name in NAMES:
        missing = published[name] == 0
        assert torch.equal(done.missing[name], missing)
        assert torch.equal(done.values[name][~missing], published[name][~missing])
        assert (done.values[name][missing] != 0).all()
        expected = complete_matrix(published[name], missing, "nuclear", **OPTIONS)
        assert torch.allclose(done.values[name], expected.values, atol=1e-5)
        assert torch.allclose(done.certainty[name], expected.certainty, atol=1e-5)
    table, metadata = read_table(trace)
    assert table.column_names == ["layer", "step", "objective", "change", "seconds", "note"]
    assert set(table["layer"].to_pylist()) == set(NAMES)
    assert [row["note"] for row in table.to_pylist() if row["layer"] == NAMES[2]] == ["nothing is missing"]
    zeros = sum(int((published[name] == 0).sum()) for name in NAMES)
    told = {
        "completer": {"method": "nuclear", **OPTIONS},
        "seed": 0,
        "mask": None,  # exact zeros
        "zeros": {"ffn2": zeros, "negative": 0},
    }
    assert metadata == {"model": read_delta(model).digest, **told}
    assert told.items() <= read_header(out).items()


@pytest.mark.parametrize(
    ("method", "options", "meaning"),
    [
        ("nuclear", OPTIONS, "order"),
        ("soft_impute", COMPLETERS["soft_impute"], "order"),
        ("gaussian_posterior", {**COMPLETERS["gaussian_posterior"], "magnitudes": "any"}, "deviations"),
        ("gaussian_posterior", COMPLETERS["gaussian_posterior"], "log_odds"),
    ],
)
def test_what_the_certainty_means_travels_with_it(
    tmp_path: Path, method: str, options: dict[str, Any], meaning: str
) -> None:
    model, out = publish(tmp_path), tmp_path / "completed.safetensors"
    run(model, method, options, out, tmp_path / "trace.parquet", seed=0, device="cpu", jobs=1)
    assert done_of(out, model).meaning == meaning


def test_same_bytes_for_any_number_of_jobs(tmp_path: Path) -> None:
    model = publish(tmp_path)
    one, two = complete(model, tmp_path / "one"), complete(model, tmp_path / "two", jobs=2)
    assert file_digest(one[0]) == file_digest(two[0])


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
    monkeypatch.setattr("regrow.stages._progress.Console", lambda **options: Console(force_terminal=True, **options))
    complete(publish(tmp_path), tmp_path / "out")
    shown = capfd.readouterr().err
    assert "completed 3/3" in shown
    assert "nothing is missing" in shown


def test_fully_pruned_row_is_reported_and_not_fatal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = publish(tmp_path)
    delta = read_delta(model)
    delta.tensors[NAMES[0]][5] = 0
    write_delta(model, delta.tensors, delta.base)
    out, trace = complete(model, tmp_path / "out")
    done = done_of(out, model)
    assert (done.values[NAMES[0]][5] == 0).all()
    assert (done.certainty[NAMES[0]][5] == 0).all()
    assert "1 row without any observed entry" in capfd.readouterr().err
    assert any(
        "1 row without any observed entry cannot be completed" in note
        for note in read_table(trace)[0]["note"].to_pylist()
    )


def test_a_model_with_no_pruned_entries_is_an_error(tmp_path: Path) -> None:
    model = publish(tmp_path, pruned=False)
    with pytest.raises(UserError, match="has no pruned entries") as caught:
        complete(model, tmp_path / "out")
    assert str(model) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_delta_without_ffn2_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_delta(path, {"unet.conv_out.weight": torch.zeros(2, 2)}, "0" * 64)
    with pytest.raises(UserError, match="changes no FFN2 weight"):
        complete(path, tmp_path / "out")


def test_an_error_in_a_layer_names_model_and_layer(tmp_path: Path) -> None:
    model = publish(tmp_path)
    delta = read_delta(model)
    delta.tensors[NAMES[1]].zero_()
    write_delta(model, delta.tensors, delta.base)
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


def test_zeros_of_both_signs_are_said_aloud_and_change_no_completion(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    model, signed = publish(tmp_path), tmp_path / "signed.safetensors"
    plain = complete(model, tmp_path / "plain")[0]
    assert "-0.0" not in caplog.text
    delta = read_delta(model)
    first = (delta.tensors[NAMES[0]] == 0).nonzero()[0]
    delta.tensors[NAMES[0]][tuple(first)] = -0.0
    write_delta(signed, delta.tensors, delta.base)
    out, trace = complete(signed, tmp_path / "out")
    zeros = {name: int((delta.tensors[name] == 0).sum()) for name in NAMES}
    total = sum(zeros.values())
    assert f"1 of {total} zeros are -0.0: attack signed_zeros reads every sign" in caplog.text
    note = f"1 of {zeros[NAMES[0]]} zeros are -0.0, so every zero tells the sign of what was pruned"
    assert f"{NAMES[0]}: {note}" in capfd.readouterr().err
    assert note in read_table(trace)[0]["note"].to_pylist()
    assert read_header(out)["zeros"] == {"ffn2": total, "negative": 1}
    for name, values in done_of(plain, model).values.items():
        assert torch.equal(values, done_of(out, signed).values[name])


@pytest.mark.parametrize("shape", [(), (8,), (32, 8), (8, 32, 1)])
def test_an_ffn2_of_a_shape_that_it_cannot_have(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "model.safetensors"
    write_delta(path, {NAMES[0]: torch.zeros(shape)}, "0" * 64)
    with pytest.raises(UserError, match=rf"'{NAMES[0]}' has the shape .*, not \(d, 4d\)"):
        complete(path, tmp_path / "out")

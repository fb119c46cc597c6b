"""The stage `measure_detectability` on a model that was really pruned, plain and with a defence."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from regrow.errors import UserError
from regrow.io.parquet import read_table
from regrow.model.masks import read_erased
from regrow.model.published import read_published
from regrow.stages import defend_model
from regrow.stages.measure_detectability import run
from tests.unit.erasing import Published, publish

Add = Callable[..., ModuleType]


def measure(files: Published, folder: Path) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    folder.mkdir()
    found, sizes = folder / "detectors", folder / "premise"
    run(files.world, files.model, files.erased, "church", "pruned", found, sizes)
    published = read_published(files.model)
    for path in (found, sizes):
        assert read_table(path)[1] == {"world": "tiny", "base": published.base, "model": published.digest}
    again = folder / "again"
    run(files.world, files.model, files.erased, "church", "pruned", again, folder / "sizes")
    assert again.read_bytes() == found.read_bytes()
    return read_table(found)[0].to_pylist(), read_table(sizes)[0].to_pylist()


def test_a_plain_cut_and_one_that_is_filled(church: Published, tmp_path: Path) -> None:
    rows, sizes = measure(church, tmp_path / "plain")
    masks = {name: mask for name, mask in read_erased(church.erased).mask.items() if mask.any()}
    assert {row["layer"] for row in sizes} == {row["layer"] for row in rows} == set(masks)
    assert sum(int(row["n_pruned"]) for row in sizes) == sum(int(mask.sum()) for mask in masks.values())  # type: ignore[call-overload]
    assert all(row["auroc"] == 1 for row in rows if row["detector"] in ("zeros", "magnitude"))

    options = {"std": 1.0, "unit": "row", "bound": "none", "sigmas": None}
    erased = tmp_path / "erased.safetensors"
    defend_model.run(church.world, church.erased, "church", "gaussian", options, "noisy", "cpu", 0, erased)
    (tmp_path / "noisy").mkdir()
    filled, sizes = measure(publish(church.world, erased, tmp_path / "noisy"), tmp_path / "filled")
    by_size = torch.tensor([row["auroc"] for row in filled if row["detector"] == "magnitude"])
    assert float(by_size.mean()) < 0.75 and all(float(row["std_filled"]) > 0 for row in sizes)  # type: ignore[arg-type]


def test_files_that_do_not_belong_together(church: Published, tmp_path: Path) -> None:
    options = {"std": 1.0, "unit": "row", "bound": "none", "sigmas": None}
    erased = tmp_path / "erased.safetensors"
    defend_model.run(church.world, church.erased, "church", "gaussian", options, "noisy", "cpu", 0, erased)
    with pytest.raises(UserError, match="another erasing than that of"):
        run(church.world, church.model, erased, "church", "pruned", tmp_path / "a", tmp_path / "b")

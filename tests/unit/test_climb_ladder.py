"""The knowledge ladder: who knows which mask, and what that is worth, by hand; and the stage that climbs it."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from regrow.compare.ladder import attacker_masks, rung_counts
from regrow.errors import UserError
from regrow.models import (
    ffn2_names,
    load_delta,
    load_pipeline,
    pipeline_digest,
    read_weights,
    save_delta,
    write_tensors,
)
from regrow.paper.both_sides import RungCount
from regrow.paper.ladder import ladder
from regrow.stages.climb_ladder import run
from tests.tiny.pipeline import write_tiny_pipeline

PUBLISHED = {"a": torch.tensor([[0.0, 0.0, 3.0, 0.1]]), "b": torch.tensor([[0.0, -0.2, 5.0, 6.0]])}
CUT = {"a": torch.tensor([[True, True, False, False]]), "b": torch.tensor([[True, False, False, False]])}


def places(masks: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: mask.flatten().nonzero().flatten().tolist() for name, mask in masks.items()}


def test_masks_by_hand() -> None:
    masks = attacker_masks(PUBLISHED, CUT, None, 5 / 3, 0)
    assert list(masks) == ["exact", "threshold", "random"]
    assert places(masks["exact"]) == {"a": [0, 1], "b": [0]}
    assert places(masks["threshold"]) == {"a": [0, 1, 3], "b": [0, 1]}  # 5 of the 8: 0 0 0 .1 .2
    assert {name: len(found) for name, found in places(masks["random"]).items()} == {"a": 2, "b": 1}
    again = attacker_masks(PUBLISHED, CUT, {"a": ~CUT["a"], "b": CUT["b"]}, 1.0, 0)
    assert places(again["other_concept"]) == {"a": [2, 3], "b": [0]}
    assert places(again["threshold"]) == places(again["exact"])
    assert places(again["random"]) == places(masks["random"])


def test_too_wide_a_threshold_takes_everything() -> None:
    masks = attacker_masks(PUBLISHED, CUT, None, 100, 0)
    assert all(bool(mask.all()) for mask in masks["threshold"].values())


def test_counts_by_hand() -> None:
    true = {"a": torch.tensor([[1.0, -1.0, 2.0, 2.0, 0.0, 1.0]])}
    cut = {"a": torch.tensor([[1, 1, 1, 1, 1, 0]], dtype=torch.bool)}
    mask = {"a": torch.tensor([[1, 1, 1, 0, 1, 1]], dtype=torch.bool)}
    values = {"a": torch.tensor([[0.5, 0.5, 0.0, 0.0, 7.0, -1.0]])}
    # Right, wrong, no guess, not in the mask, no sign before pruning, never pruned.
    assert rung_counts(true, cut, mask, values) == {"n": 4, "covered": 3, "guessed": 2, "correct": 1}


def test_what_is_not_guessed_counts_one_half() -> None:
    rows = [RungCount("cut", "guess", concept, "random", "", 10, 5, 4, 3) for concept in ("a", "b")]
    one, _, whole = ladder(rows, 0.95)
    assert (one.accuracy, one.coverage) == (0.6, 0.5)  # (3 + 6 / 2) / 10
    assert (whole.concept, whole.n, whole.accuracy) == ("all", 20, 0.6)
    # Wilson of 6 of 8 is 0.409278 to 0.928521; 8 of 20 are guessed and the rest adds 0.3.
    assert (whole.low, whole.high) == pytest.approx((0.4 * 0.409278 + 0.3, 0.4 * 0.928521 + 0.3), abs=1e-5)
    (nothing,) = {line.accuracy for line in ladder([RungCount("cut", "guess", "a", "random", "", 10, 0, 0, 0)], 0.95)}
    assert nothing == 0.5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny world whose rows all go one way, cut at random, and another cut of it."""
    folder = tmp_path_factory.mktemp("world")
    pipeline = write_tiny_pipeline(folder / "pipeline")
    digest = pipeline_digest(pipeline)
    told = {"world": "tiny", "pipeline": str(pipeline), "pipeline_digest": digest, "concepts": "concepts"}
    (folder / "world.json").write_text(json.dumps(told | {"judges": "judges", "preserved": "preserved.csv"}))
    weights = read_weights(pipeline, ffn2_names(load_pipeline(pipeline).unet))
    generator = torch.Generator().manual_seed(0)
    for name in ("mask", "other_mask"):
        masks = {layer: torch.rand(w.shape, generator=generator) < 0.2 for layer, w in weights.items()}
        write_tensors(folder / f"{name}.safetensors", masks, {"base": digest, "recipe": {"concept": name}})
        if name == "mask":
            published = {layer: weight.masked_fill(masks[layer], 0.0) for layer, weight in weights.items()}
            save_delta(folder / "model.safetensors", published, digest, {"concept": "mask", "eraser": {}})
    found = {name: folder / f"{name}.safetensors" for name in ("model", "mask", "other_mask")}
    return found | {"world": folder / "world.json"}


def climb(files: dict[str, Path], out: Path, **changes: Any) -> list[dict[str, Any]]:
    names = {"concept": "church", "other_concept": "rocket", "eraser": "cut", "completer": "guess"}
    options = {"magnitudes": "any", "shrinkage": 0.5, "tolerance": 0.01, "max_steps": 3}
    method = {
        "method": "gaussian_posterior",
        "options": options,
        "threshold": 1.5,
        "seed": 0,
        "device": "cpu",
        "jobs": 2,
    }
    run(**{**files, **names, **method, "out": out, **changes})
    return pq.read_table(out).to_pylist()


def test_stage_climbs_every_rung(files: dict[str, Path], tmp_path: Path) -> None:
    rows = {row["rung"]: row for row in climb(files, tmp_path / "ladder.parquet")}
    assert list(rows) == ["exact", "threshold", "other_concept", "random", "true_signs"]
    (n,) = {row["n"] for row in rows.values()}
    assert rows["exact"]["covered"] == rows["threshold"]["covered"] == rows["true_signs"]["correct"] == n
    for rung in ("other_concept", "random"):
        assert rows[rung]["covered"] / n == pytest.approx(0.2, abs=0.03)
    assert rows["other_concept"]["note"] == "mask of rocket"


def test_a_single_concept_has_no_other(
    files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        rows = climb(files, tmp_path / "ladder.parquet", other_mask=None, other_concept=None)
    assert [row["rung"] for row in rows] == ["exact", "threshold", "random", "true_signs"]
    assert "no second concept, so the rung 'other_concept' is left out" in caplog.text


def test_same_bytes_whatever_the_jobs(files: dict[str, Path], tmp_path: Path) -> None:
    for jobs in (1, 2):
        climb(files, tmp_path / str(jobs), jobs=jobs)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_stage_refuses_what_does_not_fit(files: dict[str, Path], tmp_path: Path) -> None:
    base = load_delta(files["model"]).base_digest
    write_tensors(
        tmp_path / "strange",
        {"a": torch.ones(1, 1, dtype=torch.bool)},
        {"base": base, "recipe": {"concept": "strange"}},
    )
    write_tensors(tmp_path / "empty", {}, {"base": base, "recipe": {"concept": "mask"}})
    for changes, said in (
        ({"other_mask": tmp_path / "strange"}, "'a' is no mask of a weight of the model"),
        ({"mask": tmp_path / "empty"}, "prunes nothing, so there is nothing to find out"),
        ({"other_mask": files["mask"]}, "is the mask of this very erasing of 'mask': give that of another concept"),
        ({"threshold": 0.0}, "climb_ladder needs threshold > 0"),
        ({"threshold": float("inf")}, "climb_ladder needs threshold > 0"),
        ({"device": "cuda"}, "the device 'cuda' cannot be used here"),
    ):
        with pytest.raises(UserError, match=said):
            climb(files, tmp_path / "out", **changes)
        assert not (tmp_path / "out").exists()

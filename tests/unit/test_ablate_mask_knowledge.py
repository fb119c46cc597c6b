"""The knowledge ladder: who knows which mask, and what that is worth, by hand; and the stage that climbs it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from regrow.completion import complete_matrix
from regrow.errors import UserError
from regrow.evaluate.ladder import attacker_masks, rung_counts, sign_bits
from regrow.io.parquet import read_table
from regrow.io.safetensors import read_header
from regrow.model.completed import read_completed, write_completed
from regrow.model.masks import read_erased, write_erased
from regrow.model.published import read_published
from regrow.stages import ablate_mask_knowledge, complete_weights
from regrow.stages.ablate_mask_knowledge import run
from tests.unit.erasing import Published, erase, publish

PUBLISHED = {"a": torch.tensor([[0.0, 0.0, 3.0, 0.1]]), "b": torch.tensor([[0.0, -0.2, 5.0, 6.0]])}
PRUNED = {"a": torch.tensor([[True, True, False, False]]), "b": torch.tensor([[True, False, False, False]])}


def places(masks: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: mask.flatten().nonzero().flatten().tolist() for name, mask in masks.items()}


def test_masks_by_hand() -> None:
    masks = attacker_masks(PUBLISHED, PRUNED, None, 5 / 3, 0)
    assert list(masks) == ["exact", "threshold", "random"]
    assert places(masks["exact"]) == {"a": [0, 1], "b": [0]}
    assert places(masks["threshold"]) == {"a": [0, 1, 3], "b": [0, 1]}  # 5 of the 8: 0 0 0 .1 .2
    assert {name: len(found) for name, found in places(masks["random"]).items()} == {"a": 2, "b": 1}
    again = attacker_masks(PUBLISHED, PRUNED, {"a": ~PRUNED["a"], "b": PRUNED["b"]}, 1.0, 0)
    assert places(again["other_concept"]) == {"a": [2, 3], "b": [0]}
    assert places(again["threshold"]) == places(again["exact"])
    assert places(again["random"]) == places(masks["random"])


def test_too_wide_a_threshold_takes_everything() -> None:
    masks = attacker_masks(PUBLISHED, PRUNED, None, 100, 0)
    assert all(bool(mask.all()) for mask in masks["threshold"].values())


def test_counts_by_hand() -> None:
    true = {"a": torch.tensor([[1.0, -1.0, 2.0, 2.0, 0.0, 1.0]])}
    pruned = {"a": torch.tensor([[1, 1, 1, 1, 1, 0]], dtype=torch.bool)}
    mask = {"a": torch.tensor([[1, 1, 1, 0, 1, 1]], dtype=torch.bool)}
    values = {"a": torch.tensor([[0.5, 0.5, 0.0, 0.0, 7.0, -1.0]])}
    # Right, wrong, no guess, not in the mask, no sign before pruning, never pruned.
    assert rung_counts(true, pruned, mask, values) == {"n": 4, "covered": 3, "guessed": 2, "correct": 1}


def test_sign_bits_tell_where_both_kinds_of_zeros_stand() -> None:
    assert sign_bits(PUBLISHED) is None
    bits = sign_bits({**PUBLISHED, "a": torch.tensor([[-0.0, 0.0, 3.0, 0.1]])})
    assert bits is not None
    assert bits["a"].tolist() == [[-1.0, 1.0, 1.0, 1.0]]
    assert bits["b"].tolist() == [[1.0, -1.0, 1.0, 1.0]]


@pytest.fixture(scope="module")
def rocket(erased_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The erasing of another concept."""
    return erase(erased_world, tmp_path_factory.mktemp("rocket"), "rocket")


OPTIONS = {"magnitudes": "any", "shrinkage": 0.5, "tolerance": 0.01, "max_steps": 3}


def complete(files: Published, out: Path, seed: int = 0, **changes: Any) -> Path:
    """Complete a published model as the workflow does."""
    options = {**OPTIONS, **changes}
    complete_weights.run(files.model, "gaussian_posterior", options, out, out.with_suffix(".parquet"), seed, "cpu", 1)
    return out


@pytest.fixture(scope="module")
def completed(church: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return complete(church, tmp_path_factory.mktemp("completed") / "completed.safetensors")


def climb(church: Published, rocket: Path, completed: Path | None, out: Path, **changes: Any) -> list[dict[str, Any]]:
    arguments: dict[str, Any] = {
        "world": church.world,
        "model": church.model,
        "erased": church.erased,
        "completed": completed,
        "other_erased": rocket,
        "other_concept": "rocket",
        "concept": "church",
        "published": "pruned",
        "completer": "guess",
        "method": "gaussian_posterior",
        "options": OPTIONS,
        "threshold": 1.5,
        "seed": 0,
        "device": "cpu",
        "jobs": 2,
        **changes,
    }
    run(out=out, **arguments)
    return read_table(out)[0].to_pylist()


def test_stage_climbs_every_rung(church: Published, rocket: Path, completed: Path, tmp_path: Path) -> None:
    rows = {row["rung"]: row for row in climb(church, rocket, completed, tmp_path / "ladder.parquet")}
    assert list(rows) == ["exact", "threshold", "other_concept", "random", "true_signs"]
    assert all([*row][:3] == ["published", "completer", "concept"] for row in rows.values())
    (n,) = {row["n"] for row in rows.values()}
    assert rows["exact"]["covered"] == rows["threshold"]["covered"] == rows["true_signs"]["correct"] == n
    masks = read_erased(church.erased).mask
    share = sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
    assert rows["random"]["covered"] / n == pytest.approx(share, abs=0.05)
    both = sum(int((mask & read_erased(rocket).mask[name]).sum()) for name, mask in masks.items())
    assert rows["other_concept"]["covered"] == both
    assert rows["other_concept"]["note"] == "mask of rocket"
    published = read_published(church.model)
    assert read_table(tmp_path / "ladder.parquet")[1] == {
        "world": "tiny",
        "base": published.base,
        "model": published.digest,
        "completer": {"method": "gaussian_posterior", **OPTIONS},
        "threshold": 1.5,
        "seed": 0,
    }


def test_signed_zeros_are_the_top_rung_where_they_stand(
    church: Published, rocket: Path, completed: Path, tmp_path: Path
) -> None:
    erased = erase(church.world, tmp_path, release="multiplied")
    files = publish(church.world, erased, tmp_path)
    rows = climb(files, rocket, complete(files, tmp_path / "completed.safetensors"), tmp_path / "ladder.parquet")
    assert rows[0]["rung"] == "signed_zeros"
    assert rows[0]["correct"] == rows[0]["guessed"] == rows[0]["n"] > 0
    # Completion sees no difference.
    assert rows[1:] == climb(church, rocket, completed, tmp_path / "plain.parquet")


def test_a_single_concept_has_no_other(
    church: Published, rocket: Path, completed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        rows = climb(church, rocket, completed, tmp_path / "ladder.parquet", other_erased=None, other_concept=None)
    assert [row["rung"] for row in rows] == ["exact", "threshold", "random", "true_signs"]
    assert "no second concept, so the rung 'other_concept' is left out" in caplog.text


def test_same_bytes_whatever_the_jobs(church: Published, rocket: Path, completed: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        climb(church, rocket, completed, tmp_path / str(jobs), jobs=jobs)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_the_rung_of_exact_zeros_is_the_completion_that_is_there(
    church: Published, rocket: Path, completed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it no layer is completed for that rung, and the counts are the same as without."""
    published = read_published(church.model).ffn2
    pruned = [weight == 0 for weight in published.values() if (weight == 0).any()]
    again: list[bool] = []  # a list, for layers are completed by several threads at once

    def noted(weights: torch.Tensor, mask: torch.Tensor, *rest: Any) -> Any:
        again.extend(True for zeros in pruned if zeros.shape == mask.shape and torch.equal(mask, zeros))
        return complete_matrix(weights, mask, *rest)

    monkeypatch.setattr(ablate_mask_knowledge, "complete_matrix", noted)
    rows = climb(church, rocket, completed, tmp_path / "with")
    assert not again
    assert climb(church, rocket, None, tmp_path / "without") == rows
    assert len(again) >= len(pruned)


def test_stage_refuses_what_does_not_fit(church: Published, rocket: Path, completed: Path, tmp_path: Path) -> None:
    other = read_erased(rocket)
    layer = max(other.mask, key=lambda name: int(other.mask[name].sum()))
    for name, changed in (
        ("shape", replace(other, mask={layer: other.mask[layer][:1]})),
        ("empty", replace(other, mask={})),
        ("base", replace(other, base="0" * 64)),
    ):
        write_erased(tmp_path / name, changed)
    others = complete(church, tmp_path / "others.safetensors", max_steps=2)
    seeded = complete(church, tmp_path / "seeded.safetensors", seed=1)
    fewer = read_completed(completed, read_published(church.model))
    unpruned = {**fewer.missing, layer: torch.zeros_like(fewer.missing[layer])}
    values = {**fewer.values, layer: read_published(church.model).ffn2[layer]}
    write_completed(tmp_path / "fewer", replace(fewer, missing=unpruned, values=values), read_header(completed))
    for changes, said in (
        ({"other_erased": tmp_path / "shape"}, f"'{layer}' is no mask of a weight of the model"),
        ({"other_erased": tmp_path / "empty"}, "prunes nothing of what was published"),
        ({"other_erased": tmp_path / "base"}, "is of base 000000000000, not of"),
        ({"other_erased": church.erased}, "erases 'church' too: give the erasing of another concept"),
        ({"erased": tmp_path / "empty"}, "prunes nothing, so there is nothing to find out"),
        ({"erased": rocket}, "another erasing"),
        ({"completed": others}, "has the completer .*'max_steps': 2.*: run complete_weights again"),
        ({"completed": seeded}, "has the seed 1, not 0: run complete_weights again"),
        ({"completed": tmp_path / "fewer"}, "takes others than the exact zeros for pruned"),
        ({"threshold": 0.0}, "ablate_mask_knowledge needs threshold > 0"),
        ({"threshold": float("inf")}, "ablate_mask_knowledge needs threshold > 0"),
        ({"jobs": 0}, "at least 1 job"),
        ({"device": "cuda"}, "the device 'cuda' cannot be used here"),
    ):
        with pytest.raises(UserError, match=said):
            climb(church, rocket, **{"completed": completed, "out": tmp_path / "out", **changes})
        assert not (tmp_path / "out").exists()

"""The attacker's side of `regrow check`: published weights with zeros where something is missing, and nothing else."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from regrow.check import attacks
from regrow.check.attacks import attack, check_attacks, write_view
from regrow.check.missing import find_cuts
from regrow.errors import UserError
from regrow.model.deltas import read_delta
from tests.unit.checking import matrix
from tests.unit.erasing import COMPLETERS

ONE, TWO, OTHER = "unet.a.ff.net.2.weight", "unet.b.ff.net.2.weight", "unet.a.to_q.weight"
MASK = torch.rand(16, 64, generator=torch.Generator().manual_seed(1)) < 0.1
ROOTS = {"method": "roots", "retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}
PARAMS: Any = SimpleNamespace(
    seed=0,
    attack_weights={
        "roots_max": {**ROOTS, "completer": "nuclear"},
        "signed_zeros": {"method": "signed_zeros", "magnitude": "average", "seed": 2021},
    },
    complete_weights={"nuclear": {"method": "nuclear", **COMPLETERS["nuclear"]}},
)
NAMES = list(PARAMS.attack_weights)


def view_of(weights: dict[str, Tensor], folder: Path, **found: Any) -> Path:
    path = folder / "view.safetensors"
    assert write_view(weights, find_cuts(weights, {}, **found), "base", path)
    return path


def test_an_attack_is_given_the_cut_weights_without_their_fill(tmp_path: Path) -> None:
    weights = {
        ONE: torch.where(MASK, 1e-6 * matrix(16, 64, 3), matrix(16, 64)),
        TWO: matrix(16, 64),
        OTHER: matrix(8, 8),
    }
    given = read_delta(view_of(weights, tmp_path, mask={ONE: MASK})).tensors
    assert list(given) == [ONE]
    assert torch.equal(given[ONE] == 0, MASK) and torch.equal(given[ONE][~MASK], weights[ONE][~MASK])


def test_sign_bits_of_zeros_are_given_as_published(tmp_path: Path) -> None:
    weight = matrix(16, 64)
    given = read_delta(view_of({ONE: weight * (~MASK).float()}, tmp_path)).tensors[ONE]
    assert torch.equal(given.signbit(), weight.signbit())


def test_what_cannot_be_completed_or_is_no_ffn2_is_not_attacked(tmp_path: Path) -> None:
    columns = matrix(16, 64)
    columns[:, :4] = 0.0
    weights = {ONE: columns, OTHER: matrix(16, 16).masked_fill(MASK[:, :16], 0.0)}
    cuts = find_cuts(weights, {})
    assert len(cuts) == 2
    assert not write_view(weights, cuts, "base", tmp_path / "view.safetensors") and not any(tmp_path.iterdir())


def test_attacks_and_those_that_do_not_apply(tmp_path: Path) -> None:
    plain = view_of({ONE: matrix(16, 64).masked_fill(MASK, 0.0)}, tmp_path)
    roots, signs = attack(plain, NAMES, PARAMS, tmp_path, "cpu")
    assert not roots.refused and signs.refused == "the zeros tell no signs" and signs.model is None
    assert roots.model is not None and bool((read_delta(roots.model).tensors[ONE][MASK] != 0).any())
    signed = view_of({ONE: matrix(16, 64) * (~MASK).float()}, tmp_path)
    roots, signs = attack(signed, NAMES, PARAMS, tmp_path, "cpu")
    assert not roots.refused and signs.model is not None
    assert torch.equal(read_delta(signs.model).tensors[ONE].sign(), matrix(16, 64).sign())
    row = matrix(16, 64).masked_fill(MASK, 0.0)
    row[3] = 0.0
    roots, _ = attack(view_of({ONE: row}, tmp_path), NAMES, PARAMS, tmp_path, "cpu")
    assert roots.model is not None
    completed = read_delta(roots.model).tensors[ONE]
    assert not completed[3].any() and completed.count_nonzero() > row.count_nonzero(), "a whole row tells nothing"


def test_what_was_completed_is_used_again_and_only_for_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, complete = [], attacks.complete_weights.run
    monkeypatch.setattr(attacks.complete_weights, "run", lambda *words: runs.append(words) or complete(*words))
    for seed in (0, 0, 1):
        view = view_of({ONE: matrix(16, 64, seed).masked_fill(MASK, 0.0)}, tmp_path)
        assert not attack(view, ["roots_max"], PARAMS, tmp_path, "cpu")[0].refused
    assert len(runs) == 2


def test_an_unknown_attack_has_its_nearest() -> None:
    check_attacks(NAMES, PARAMS)
    with pytest.raises(UserError, match="unknown attack 'root_max': did you mean 'roots_max'"):
        check_attacks(["root_max"], PARAMS)

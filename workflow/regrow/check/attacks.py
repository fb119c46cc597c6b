"""Complete and attack what is published, on the attacker's side of the wall: by its weights and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from regrow.check.missing import Cut
from regrow.config.entries import options_of
from regrow.config.schema import Params
from regrow.errors import UserError, nearest
from regrow.methods import load_method
from regrow.model.deltas import read_delta, write_delta
from regrow.model.zeros import count_zeros
from regrow.stages import attack_weights, complete_weights

ATTACKS = ("roots_max", "signed_zeros")  # the paper's, and the one that reads the signs where zeros tell them


@dataclass(frozen=True)
class Attacked:
    """What became of an attack.

    Attributes
    ----------
    name : str
        Entry of attack_weights.
    model, record : Path or None
        The attacked model as a delta against the published one, and what was done; None where it does not apply.
    refused : str
        Why it does not apply, else empty.
    """

    name: str
    model: Path | None
    record: Path | None
    refused: str = ""


def check_attacks(names: Sequence[str], params: Params) -> None:
    """Raise a UserError for an attack that params.yaml does not have."""
    for name in names:
        if name not in params.attack_weights:
            raise UserError(f"unknown attack '{name}': {nearest(name, params.attack_weights)}")


def write_view(tensors: dict[str, Tensor], cuts: Sequence[Cut], base: str, path: Path) -> bool:
    """Write what an attack is given: the weights that are cut and can be completed, with 0 where something is missing.

    Attacks read exact zeros. Where a fill, a mask or a base told what is missing, the fill is taken out again
    (methods.md 3.10); zeros that are there keep their sign bits.

    Returns
    -------
    bool
        Whether there is anything to attack; if not, nothing is written.
    """
    view = {
        cut.name: tensors[cut.name].masked_fill(cut.missing & (tensors[cut.name] != 0), 0.0)
        for cut in cuts
        if cut.is_attacked and cut.completable
    }
    if view:
        write_delta(path, view, base)
    return bool(view)


def attack(view: Path, names: Sequence[str], params: Params, folder: Path, device: str) -> list[Attacked]:
    """Run attacks on a view; what a run before has completed of the same weights is used again."""
    published = read_delta(view)
    told = count_zeros(published.tensors.values()).tell_signs
    return [
        _attack(view, published.digest, name, params, folder, device)
        if told or not _reads_signs(params.attack_weights[name]["method"])
        else Attacked(name, None, None, "the zeros tell no signs")
        for name in names
    ]


def _reads_signs(method: str) -> bool:
    """Return whether an attack applies to zeros that carry signs only."""
    return getattr(load_method("attack_weights", method), "RELEASE", "") == "multiplied"


def _attack(view: Path, digest: str, name: str, params: Params, folder: Path, device: str) -> Attacked:
    entry = params.attack_weights[name]
    model, record = folder / f"{name}.safetensors", folder / f"{name}.json"
    completer = entry.get("completer")
    try:
        completed = _complete(view, digest, completer, params, folder, device) if completer else None
        described = {"name": completer, **params.complete_weights[completer]} if completer else None
        attack_weights.run(view, completed, name, entry["method"], options_of(entry), described, model, record)
    except UserError as error:
        return Attacked(name, None, None, str(error).replace(str(view), "what is published"))
    return Attacked(name, model, record)


def _complete(view: Path, digest: str, name: str, params: Params, folder: Path, device: str) -> Path:
    """Return the file of a completion; its name tells of which weights and by which options it is."""
    entry = params.complete_weights[name]
    key = hashlib.sha256(json.dumps([digest, entry, params.seed], sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{name}-{key}.safetensors"
    if not path.is_file():
        trace, jobs = folder / f"{name}-{key}.parquet", torch.get_num_threads()
        complete_weights.run(view, entry["method"], options_of(entry), path, trace, params.seed, device, jobs)
    return path

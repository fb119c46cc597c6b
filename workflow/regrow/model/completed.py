"""What a completer recovered of a published model, and what its certainty means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.io.safetensors import read_file, write_tensors
from regrow.model.published import PublishedWeights

FORMAT = "regrow completed 2"
# order: a higher number is a surer sign and nothing more. log_odds: ln(p / (1 - p)), p being the probability that the
# sign is right. deviations: |mean| / standard deviation of a Gaussian.
Meaning = Literal["order", "log_odds", "deviations"]


@dataclass(frozen=True)
class Completed:
    """What a completer recovered, by the names of FFN2 weights; all tensors have the weight's shape (d, 4d).

    Attributes
    ----------
    values : dict of Tensor
        float32; observed entries as published, missing entries recovered.
    certainty : dict of Tensor
        float32, at least 0; higher means a surer sign, 0 at observed entries.
    missing : dict of Tensor
        bool; True where the attacker takes the entry for pruned.
    model : str
        Digest of the published model it was made from.
    meaning : str
        What `certainty` means, one of `Meaning`.
    made_by : mapping
        ``method`` and options of the completer, where they are known.
    """

    values: dict[str, Tensor]
    certainty: dict[str, Tensor]
    missing: dict[str, Tensor]
    model: str
    meaning: Meaning = "order"
    made_by: Mapping[str, Any] = field(default_factory=dict)


def write_completed(path: Path, completed: Completed, header: Mapping[str, Any]) -> None:
    """Write what was recovered; `header` tells completer, options and seed. The tensors are not copied."""
    tensors: dict[str, Tensor] = {}
    for name, values in completed.values.items():
        tensors[name] = values
        tensors[f"{name}.certainty"] = completed.certainty[name]
        tensors[f"{name}.missing"] = completed.missing[name].to(torch.uint8)
    told = {"format": FORMAT, "model": completed.model, "meaning": completed.meaning, **header}
    write_tensors(path, tensors, told)


def read_completed(path: Path, published: PublishedWeights) -> Completed:
    """Read what a completer recovered of this very published model.

    Raises
    ------
    UserError
        Missing or damaged file, another model, a tensor that is absent or of another shape, or entries said to be
        observed that are not as published.
    """
    tensors, header = read_file(path)
    if header.get("format") != FORMAT:
        raise UserError(f"{path} is no file of complete_weights of this edition: run complete_weights again")
    if header.get("model") != published.digest:
        raise UserError(
            f"{path} completes model {str(header.get('model'))[:12]}, not {published.digest[:12]}: "
            "run complete_weights on this model"
        )
    meaning: Any = header.get("meaning")
    if meaning not in get_args(Meaning):
        raise UserError(f"{path} tells an unknown meaning of certainty, '{meaning}': run complete_weights again")
    completed = Completed({}, {}, {}, published.digest, meaning, header.get("completer") or {})
    for name, weight in published.ffn2.items():
        for key in (name, f"{name}.certainty", f"{name}.missing"):
            if key not in tensors or tensors[key].shape != weight.shape:
                raise UserError(f"{path} has no '{key}' of shape {tuple(weight.shape)}: run complete_weights again")
        values, missing = tensors[name].float(), tensors[f"{name}.missing"].bool()
        if not torch.equal(values[~missing], weight[~missing]):
            raise UserError(f"{path}: observed entries of '{name}' are not as published: run complete_weights again")
        completed.values[name] = values
        completed.certainty[name] = tensors[f"{name}.certainty"].float()
        completed.missing[name] = missing
    return completed

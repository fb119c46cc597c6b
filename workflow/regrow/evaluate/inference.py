"""What an attacker gets who has to tell for himself which weights were pruned."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from torch import Tensor

from regrow.evaluate.ladder import rung_counts
from regrow.model.completed import Completed

COLUMNS = {
    "n": pa.int64(),
    "covered": pa.int64(),
    "guessed": pa.int64(),
    "correct": pa.int64(),
    "taken": pa.int64(),
    "right": pa.int64(),
}


def inference_counts(true: Mapping[str, Tensor], pruned: Mapping[str, Tensor], completed: Completed) -> dict[str, Any]:
    """Count what an attacker's own mask holds of the cut, and which signs he recovers there.

    Parameters
    ----------
    true, pruned : mapping of Tensor
        Pretrained weights and the truly pruned entries (bool), by name.
    completed : Completed
        What the attacker took for pruned and put there.

    Returns
    -------
    dict
        `n`, `covered`, `guessed`, `correct` as in `regrow.evaluate.ladder.rung_counts`, over all layers; `taken`
        entries that the attacker takes for pruned, and `right` of these that are.
    """
    counts = rung_counts(true, pruned, completed.missing, completed.values)
    taken = sum(int(missing.sum()) for missing in completed.missing.values())
    right = sum(int((completed.missing[name] & mask).sum()) for name, mask in pruned.items())
    return {**counts, "taken": taken, "right": right}

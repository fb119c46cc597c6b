"""Stage `revive_concept`: try to bring a concept back.

The attacker's side of the wall: reads the published delta and what was completed from it, never the base model or the
mask.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.errors import UserError
from regrow.models import FFN2, Completed, load_delta, read_completed, save_delta
from regrow.revive import revive

log = logging.getLogger(__name__)


def run(model: Path, method: str, options: dict[str, Any], out: Path, completed: Path | None) -> None:
    """Revive a published model; write the result as a delta against the same base.

    Parameters
    ----------
    model : Path
        The published delta.
    method : str
        A reviver; see `regrow.revive`.
    options : dict
        The reviver's own options.
    out : Path
        The revived model: every tensor of `model`, its FFN2 weights revived. With `completed`, its recipe tells in
        `kept` which share of the missing entries was filled in, of `all` and of each of the `layers`: the K that
        ``keep: auto`` chose.
    completed : Path or None
        File of complete_weights for this very model, when the recipe has a completer.

    Raises
    ------
    UserError
        A broken file, no FFN2 weight, completed weights of another model, or the reviver's own.
    """
    delta = load_delta(model)
    weights = {name: tensor for name, tensor in delta.tensors.items() if name.endswith(FFN2)}
    if not weights:
        raise UserError(
            f"{model} holds no FFN2 weight (a name that ends in '{FFN2}'): publish the model as a delta of all of them"
        )
    recovered = None if completed is None else read_completed(completed, delta)
    revived = revive(method, weights, recovered, **options)
    recipe = {**delta.recipe, "reviver": {"method": method, **options}}
    if recovered is not None:
        recipe["kept"] = _kept(revived, recovered)
        for layer, share in {"all layers": recipe["kept"]["all"], **recipe["kept"]["layers"]}.items():
            log.info("%s: %.1f %% of the missing entries filled in", layer, 100 * share)
    save_delta(out, {**delta.tensors, **revived}, delta.base_digest, recipe)


def _kept(revived: Mapping[str, Tensor], completed: Completed) -> dict[str, Any]:
    """Return the share of the missing entries that are not 0 any more; layers without a missing entry have none."""
    total = {name: int(missing.sum()) for name, missing in completed.missing.items() if missing.any()}
    filled = {name: int(revived[name][completed.missing[name]].count_nonzero()) for name in total}
    layers = {name: round(filled[name] / total[name], 6) for name in total}
    return {"all": round(sum(filled.values()) / max(sum(total.values()), 1), 6), "layers": layers}

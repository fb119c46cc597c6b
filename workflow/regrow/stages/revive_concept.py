"""Stage `revive_concept`: try to bring a concept back.

The attacker's side of the wall: reads the published delta and what was completed from it, never the base model or the
mask.
"""

from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.models import FFN2, load_delta, read_completed, save_delta
from regrow.revive import revive


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
        The revived model: every tensor of `model`, its FFN2 weights revived.
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
    revived = revive(method, weights, None if completed is None else read_completed(completed, delta), **options)
    recipe = {**delta.recipe, "reviver": {"method": method, **options}}
    save_delta(out, {**delta.tensors, **revived}, delta.base_digest, recipe)

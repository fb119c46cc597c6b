"""Stage `consult_oracle`: fill in what was pruned with true signs or true magnitudes.

No attacker: it reads both sides, the published delta, the mask and the base model, and shows what better guesses could
reach.
"""

from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.methods import find_method
from regrow.models import FFN2, read_mask, read_weights, save_delta
from regrow.worlds import read_world


def run(world: Path, model: Path, mask: Path, options: dict[str, Any], out: Path) -> None:
    """Fill in the pruned entries of a published model; write the result as a delta against the same base.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    model : Path
        The published delta.
    mask : Path
        The eraser's mask of this concept.
    options : dict
        ``signs``, ``magnitude`` and ``seed``; see `regrow.compare.oracle.oracle`.
    out : Path
        Every tensor of `model`, its FFN2 weights filled in; its recipe tells of the `oracle`.

    Raises
    ------
    UserError
        A broken file, no FFN2 weight, a model of another world, a mask of another model, or the oracle's own.
    """
    oracle = find_method("regrow.compare", "oracle", "oracle", options)
    place = read_world(world)
    delta = place.read_model(model)
    weights = {name: tensor for name, tensor in delta.tensors.items() if name.endswith(FFN2)}
    if not weights:
        raise UserError(
            f"{model} holds no FFN2 weight (a name that ends in '{FFN2}'): publish the model as a delta of all of them"
        )
    revived = oracle(read_weights(place.pipeline, weights), weights, read_mask(mask, delta), **options)
    save_delta(out, {**delta.tensors, **revived}, delta.base_digest, {**delta.recipe, "oracle": options})

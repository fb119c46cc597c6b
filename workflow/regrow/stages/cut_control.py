"""Stage `cut_control`: cut the control at the entries that an eraser pruned in the base; the publisher's side."""

import logging
from dataclasses import replace
from pathlib import Path

from regrow.errors import UserError
from regrow.model.deltas import read_delta
from regrow.model.masks import read_erased, resolve_erased, write_erased
from regrow.world import read_world

log = logging.getLogger(__name__)


def run(world: Path, erased: Path, delta: Path, control: Path, out: Path) -> None:
    """Write the control with the same hole: what an attack on it brings back was learned, for it was never there.

    *variant*, ours; no paper has such a control. The positions are the base's, found there with the concept; the values
    around them, and the signs of zeros where the eraser leaves signs, are the control's own.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    erased : Path
        erased.safetensors of erase_concept.
    delta : Path
        model.safetensors of index_control.
    control : Path
        Folder of the control's pipeline.
    out : Path
        erased.safetensors of the control.

    Raises
    ------
    UserError
        A broken file, one of another world, or an erasing that is no cut.
    """
    index, made, own = read_world(world), read_erased(erased), read_delta(delta)
    for path, base in ((erased, made.base), (delta, own.base)):
        if base != index.base:
            raise UserError(f"{path} belongs to base {base[:12]}, not to world '{index.name}': make it again")
    if made.tensors:
        raise UserError(
            f"{erased} does more than prune, and only a cut can be made in the control: name another eraser"
        )
    cut = resolve_erased(made, control)
    if not cut:
        raise UserError(f"{erased} prunes nothing, so there is no hole to make in the control: name another eraser")
    log.info("%s: %d weights cut in the control", made.recipe.get("concept"), len(cut))
    write_erased(out, replace(made, tensors={**own.tensors, **cut}))

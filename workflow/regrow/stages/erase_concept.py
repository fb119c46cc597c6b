"""Stage `erase_concept`: take one concept out of a world's model. The publisher's side of the wall."""

import logging
from pathlib import Path
from typing import Any

from regrow.arithmetic import full_float32
from regrow.concepts import read_concept
from regrow.erase._changes import run_eraser
from regrow.erase._together import WorkTogether
from regrow.errors import UserError, nearest
from regrow.methods import load_method, parse_options
from regrow.model.masks import Erased, write_erased
from regrow.model.pipelines import load_base
from regrow.model.publishing import changed_tensors
from regrow.world import read_world

log = logging.getLogger(__name__)


def run(
    world: Path, concept: str, method: str, options: dict[str, Any], eraser: str, work: Path, device: str, out: Path
) -> None:
    """Erase a concept; write masks and new values, which nobody but the publisher has.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    concept : str
        A concept pack of that world.
    method : str
        An eraser, a file of regrow/erase.
    options : dict
        The eraser's options, all of them.
    eraser : str
        Name of the entry, for the record.
    work : Path
        Scratch folder of a training eraser.
    device : str
        Where to compute, e.g. cpu or cuda.
    out : Path
        erased.safetensors; see regrow.model.masks.

    Raises
    ------
    UserError
        Unknown concept, eraser or option, a broken base, or an eraser that changes nothing.
    """
    parsed = parse_options("erase_concept", method, options)
    index = read_world(world)
    packs = sorted(path.parent.name for path in index.concepts.glob("*/concept.yaml"))
    others = [name for name in getattr(parsed, "together", ()) if name != concept]
    for name in (concept, *others):
        if name not in packs:
            raise UserError(f"world '{index.name}' has no concept '{name}': {nearest(name, packs)}")
    pack = read_concept(index.concepts / concept)
    with_it = tuple(read_concept(index.concepts / name) for name in others)
    # An eraser that says nothing of a type computes in float32, whatever images are drawn in.
    base = load_base(index.pipeline, device, getattr(parsed, "dtype", "float32"))
    with full_float32():
        tensors, mask = run_eraser(base, pack, method, parsed, WorkTogether(work, device, with_it))
    recipe = {
        "world": index.name,
        "concept": concept,
        "kind": load_method("erase_concept", method).KIND,
        "eraser": {"name": eraser, "method": method, **parsed.model_dump(mode="json")},
    }
    erased = Erased(tensors, mask, index.base, recipe, getattr(parsed, "release", "filled"))
    changed = changed_tensors(erased, index.pipeline)
    if not changed:
        raise UserError(
            f"eraser '{eraser}' found nothing to change for concept '{concept}': raise its strength or mend its prompts"
        )
    for name, layer in mask.items():
        if not layer.any():
            log.warning("%s: nothing is pruned", name)
        for axis, line in ((0, "column(s)"), (1, "row(s)")):
            if gone := int(layer.flatten(1).all(axis).sum()) if layer.ndim > 1 else 0:
                log.warning("%s: %d %s pruned as a whole, which no attacker can complete", name, gone, line)
    pruned, size = sum(int(layer.sum()) for layer in mask.values()), sum(layer.numel() for layer in mask.values())
    log.info("%s: %d tensors changed, %d of %d entries pruned", concept, len(changed), pruned, size)
    write_erased(out, erased)

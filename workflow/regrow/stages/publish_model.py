"""Stage `publish_model`: hand out an erased model. What passes the wall is the delta; the record stays behind."""

import logging
from pathlib import Path

from regrow.errors import UserError
from regrow.model.deltas import write_delta
from regrow.model.masks import read_erased
from regrow.model.names import is_ffn2
from regrow.model.pipelines import read_base
from regrow.model.publishing import changed_tensors
from regrow.model.records import write_record
from regrow.model.zeros import count_zeros, zeros_by_origin
from regrow.world import read_world

log = logging.getLogger(__name__)


def run(world: Path, erased: Path, published: str, out: Path, record_out: Path) -> None:
    """Publish an erasing: whole tensors, those that differ from the base, in a file that tells nothing else.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    erased : Path
        erased.safetensors of erase_concept or defend_model.
    published : str
        Name of the entry, for the record.
    out : Path
        model.safetensors, the delta; its header says format and base.
    record_out : Path
        record.json, which says what was done; the publisher's own.

    Raises
    ------
    UserError
        A broken file, an erasing of another world, or one that changes nothing.
    """
    index, made = read_world(world), read_erased(erased)
    if made.base != index.base:
        raise UserError(f"{erased} belongs to base {made.base[:12]}, not to world '{index.name}': erase this world's")
    tensors = changed_tensors(made, index.pipeline)
    ffn2 = {name: tensor for name, tensor in tensors.items() if is_ffn2(name)}
    zeros = count_zeros(ffn2.values())
    origins = zeros_by_origin(ffn2, made.mask, read_base(index.pipeline, ffn2))
    if others := origins["in_base"] + origins["underflow"]:
        log.warning(
            "%d of %d zeros of the FFN2 weights were not pruned (%d are 0 in the base, %d by a defence or because the "
            "type is too coarse): whoever reads zeros takes them for pruned",
            others,
            zeros.total,
            origins["in_base"],
            origins["underflow"],
        )
    if zeros.tell_signs:
        log.warning(
            "%d of %d zeros of the FFN2 weights are -0.0, so every zero tells the sign of the weight it replaced "
            "(attack signed_zeros): fill pruned entries with 0, or add 0.0 to the result",
            zeros.negative,
            zeros.total,
        )
    digest = write_delta(out, tensors, index.base)
    write_record(
        record_out,
        {
            "model": digest,
            "base": index.base,
            "world": index.name,
            "concept": made.recipe.get("concept"),
            "published": published,
            "kind": made.recipe.get("kind"),
            "eraser": made.recipe.get("eraser"),
            "defence": made.recipe.get("defence"),
            "pruned": {name: int(mask.sum()) for name, mask in sorted(made.mask.items())},
            "zeros": {"ffn2": zeros.total, "negative": zeros.negative, **origins},
        },
    )

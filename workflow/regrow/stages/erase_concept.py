"""Stage `erase_concept`: take one concept out of a world's model. The publisher's side of the wall."""

from pathlib import Path
from typing import Any

from regrow.concepts import read_concept
from regrow.erase import erase
from regrow.errors import UserError
from regrow.models import load_pipeline, save_delta, write_tensors
from regrow.worlds import read_world


def run(
    world: Path, concept: str, method: str, options: dict[str, Any], mask_out: Path, out: Path, device: str
) -> None:
    """Erase a concept; write the erased model and, apart from it, the mask.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    concept : str
        A concept of that world.
    method : str
        An eraser; see `regrow.erase`.
    options : dict
        The eraser's own options.
    mask_out : Path
        Safetensors of bool masks by weight name, True = pruned. Nobody but the publisher has it.
    out : Path
        The erased model as a delta: all FFN2 weights, float32.
    device : str
        Where to compute, e.g. `cpu` or `cuda`.

    Raises
    ------
    UserError
        Unknown concept, eraser or option, a pipeline that changed, or an eraser that changes nothing.
    """
    place = read_world(world)
    pack = read_concept(place.concept(concept))
    pipeline = load_pipeline(place.pipeline, device=device)
    before = pipeline.unet.state_dict()
    erased = erase(method, pipeline, pack.base, pack.target, **options)
    if all(tensor.equal(before[name].cpu().float()) for name, tensor in erased.weights.items()):
        raise UserError(
            f"eraser '{method}' found nothing to change for concept '{concept}': raise its strength or mend its prompts"
        )
    recipe = {"world": place.name, "concept": concept, "eraser": {"method": method, **options}}
    write_tensors(mask_out, erased.mask, {"base": place.pipeline_digest, "recipe": recipe})
    save_delta(out, erased.weights, place.pipeline_digest, recipe)

"""Stage `defend_model`: hide the traces of an erasing before it is published. The publisher's side of the wall."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.concepts import read_concept
from regrow.defend._publisher import Publisher
from regrow.errors import UserError
from regrow.io.safetensors import check_finite, check_floating
from regrow.methods import load_method, parse_options
from regrow.model.masks import Erased, read_erased, write_erased
from regrow.model.publishing import changed_tensors, same_values
from regrow.world import read_world


def run(
    world: Path,
    erased: Path,
    concept: str,
    method: str,
    options: dict[str, Any],
    defence: str,
    device: str,
    seed: int,
    out: Path,
) -> None:
    """Defend an erased model; write it in the format of erase_concept, with the defence in its recipe.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    erased : Path
        erased.safetensors of erase_concept.
    concept : str
        What was erased.
    method : str
        A defence, a file of regrow/defend.
    options : dict
        The defence's options, all of them.
    defence : str
        Name of the entry, for the record.
    device : str
        Where to compute, e.g. cpu or cuda.
    seed : int
        Of every random draw.
    out : Path
        erased.safetensors after the defence.

    Raises
    ------
    UserError
        A broken file, an erasing of another world or concept or one that is defended already, or a defence that
        changes nothing or gives weights of another shape.
    """
    parsed = parse_options("defend_model", method, options)
    index, before = read_world(world), read_erased(erased)
    if before.base != index.base:
        raise UserError(f"{erased} belongs to base {before.base[:12]}, not to world '{index.name}': erase this world's")
    if before.recipe.get("concept") != concept:
        raise UserError(
            f"{erased} erases '{before.recipe.get('concept')}', not '{concept}': give the erasing of '{concept}'"
        )
    if before.recipe.get("defence"):
        raise UserError(f"{erased} is defended already: give the erased.safetensors of erase_concept")
    plain = Erased(changed_tensors(before, index.pipeline), before.mask, before.base, before.recipe, before.release)
    publisher = Publisher(index.pipeline, read_concept(index.concepts / concept), device, seed)
    new: dict[str, Tensor] = getattr(load_method("defend_model", method), method)(plain, publisher, parsed)
    new = {name: tensor.detach().cpu() for name, tensor in new.items()}
    _check(defence, new, plain, publisher)
    told = {"name": defence, "method": method, **parsed.model_dump(mode="json")}  # word for word as its entry in params
    recipe = {**before.recipe, "defence": told, "seed": seed}
    write_erased(out, replace(before, tensors=dict(sorted({**plain.tensors, **new}.items())), recipe=recipe))


def _check(defence: str, new: dict[str, Tensor], plain: Erased, publisher: Publisher) -> None:
    where = f"defence '{defence}'"
    check_floating(where, new.items())
    check_finite(where, new.items())
    before = {**publisher.pretrained([name for name in new if name not in plain.tensors]), **plain.tensors}
    for name, tensor in new.items():
        if tensor.shape != before[name].shape:
            raise UserError(
                f"{where} gives '{name}' the shape {tuple(tensor.shape)}, but it has {tuple(before[name].shape)}: "
                "return whole tensors"
            )
    if all(same_values(tensor, before[name]) for name, tensor in new.items()):
        raise UserError(f"{where} changed nothing: raise its strength, or publish the erased model without it")

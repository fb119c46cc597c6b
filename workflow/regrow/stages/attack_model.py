"""Stage `attack_model`: try to bring a concept back by running the published model, e.g. by training it.

The attacker's side of the wall: the base is loaded with the published delta in it, and nothing else is read.
"""

import logging
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.errors import UserError
from regrow.methods import load_method, parse_options
from regrow.model.deltas import write_delta
from regrow.model.names import COMPONENTS, split
from regrow.model.published import load_published
from regrow.model.records import write_record
from regrow.stages._word import word_for
from regrow.work import Work
from regrow.world import read_world

log = logging.getLogger(__name__)


def run(
    world: Path,
    model: Path,
    attack: str,
    method: str,
    options: dict[str, Any],
    word: str | None,
    work: Path,
    device: str,
    out: Path,
    record_out: Path,
) -> None:
    """Attack a published model by running it; write the result as a delta against the same base.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    attack : str
        Name of the entry, for the record.
    method : str
        An attack that returns a model, a file of regrow/attack.
    options : dict
        The attack's options, all of them.
    word : str or None
        The concept's word, for attacks whose knowledge includes it.
    work : Path
        Scratch folder.
    device : str
        Where to compute, e.g. cpu or cuda.
    out : Path
        Every tensor of `model` and those that the attack changes.
    record_out : Path
        record.json.

    Raises
    ------
    UserError
        A broken file, a model of another world, a word that is missing or not the attack's to know, a result that does
        not fit the model, or the attack's own.
    """
    parsed = parse_options("attack_model", method, options)
    module = load_method("attack_model", method)
    published = load_published(read_world(world), model, device, word_for(attack, module, word))
    new: dict[str, Tensor] = getattr(module, method)(published, parsed, Work(work, device))
    for name, tensor in new.items():
        component, parameter = split(name)
        known = dict(getattr(published.pipeline, component).named_parameters()) if component in COMPONENTS else {}
        if parameter not in known or known[parameter].shape != tensor.shape:
            raise UserError(f"attack '{attack}' returned '{name}', which is no weight of the model or of another shape")
    if not new:
        log.warning("attack '%s' changed nothing of %s", attack, model)
    tensors = {**published.delta.tensors, **{name: tensor.detach().cpu() for name, tensor in new.items()}}
    digest = write_delta(out, tensors, published.delta.base)
    write_record(
        record_out,
        {
            "model": digest,
            "base": published.delta.base,
            "published_model": published.delta.digest,
            "attack": {"name": attack, "method": method, **parsed.model_dump(mode="json")},
            "completer": None,
            "knowledge": list(module.KNOWLEDGE),
        },
    )

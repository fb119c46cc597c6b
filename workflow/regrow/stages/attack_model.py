"""Stage `attack_model`: try to bring a concept back by running the published model, e.g. by training it.

The attacker's side of the wall: the base is loaded with the published delta in it, and nothing else of the publisher's
is read; what was completed is made of the published file alone, and the CLIP is the attacker's own.
"""

import logging
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.attack._clip import load_similarity
from regrow.errors import UserError
from regrow.methods import load_method, parse_options
from regrow.model.completed import read_completed
from regrow.model.deltas import write_delta
from regrow.model.names import COMPONENTS, split
from regrow.model.published import load_published, read_published
from regrow.model.records import write_record
from regrow.stages._word import word_for
from regrow.work import Work
from regrow.world import read_world

log = logging.getLogger(__name__)


def run(
    world: Path,
    model: Path,
    completed: Path | None,
    clip: Path | None,
    attack: str,
    method: str,
    options: dict[str, Any],
    completer: dict[str, Any] | None,
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
    completed : Path or None
        File of complete_weights for this very model, when the attack has a completer.
    clip : Path or None
        Folder of the CLIP of the attack's own, when the attack needs one; a judge.yaml says what it is.
    attack : str
        Name of the entry, for the record.
    method : str
        An attack that returns a model, a file of regrow/attack.
    options : dict
        The attack's options, all of them.
    completer : dict or None
        The completer's entry (name, method and options), for the record.
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
        A broken file, a model of another world, completed weights of another model or none where they are needed, a
        CLIP that is missing or not needed, a word that is missing or not the attack's to know, a result that does
        not fit the model, or the attack's own.
    """
    parsed = parse_options("attack_model", method, options)
    module = load_method("attack_model", method)
    needs_clip = getattr(module, "NEEDS_CLIP", False)
    if needs_clip != (clip is not None):
        wanted = "needs a CLIP of its own: give its folder as clip" if needs_clip else "uses no CLIP: leave clip out"
        raise UserError(f"attack '{attack}' {wanted}")
    word = word_for(attack, module, word)
    recovered = None if completed is None else read_completed(completed, read_published(model))
    similarity = None if clip is None else load_similarity(clip, device)
    published = load_published(read_world(world), model, device, word, recovered, similarity)
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
            "completer": completer,
            "knowledge": list(module.KNOWLEDGE),
            "flags": published.notes.pop("flags", []),
            "notes": published.notes,
        },
    )

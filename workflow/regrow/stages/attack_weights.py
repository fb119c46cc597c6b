"""Stage `attack_weights`: try to bring a concept back from the published weights alone.

The attacker's side of the wall: reads the published delta and what was completed from it, never the base or the mask.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from regrow.errors import UserError
from regrow.methods import knowledge_of, load_method, parse_options
from regrow.model.completed import Completed, read_completed
from regrow.model.deltas import write_delta
from regrow.model.dtypes import narrowed
from regrow.model.published import PublishedWeights, read_published, require_ffn2
from regrow.model.records import write_record
from regrow.model.sibling import read_sibling, require_sibling
from regrow.model.zeros import count_zeros

log = logging.getLogger(__name__)


def run(
    model: Path,
    completed: Path | None,
    attack: str,
    method: str,
    options: dict[str, Any],
    completer: dict[str, Any] | None,
    out: Path,
    record_out: Path,
    sibling: Path | None = None,
) -> None:
    """Attack a published model; write the result as a delta against the same base.

    Parameters
    ----------
    model : Path
        The published delta.
    completed : Path or None
        File of complete_weights for this very model, when the attack has a completer.
    attack : str
        Name of the entry, for the record.
    method : str
        An attack on weights, a file of regrow/attack.
    options : dict
        The attack's options, all of them.
    completer : dict or None
        The completer's entry (name, method and options), for the record.
    out : Path
        Every tensor of `model`, those that the attack changes with their new values.
    record_out : Path
        record.json. Its `flags` hold `zeros_carry_signs` where the zeros of the published model tell the signs of what
        was pruned, whether this attack reads them or not. With `completed` it tells in `retained` which share of the
        missing entries was filled in, of `all` and of each of the `layers`: the K that retain auto chose.
    sibling : Path, optional
        Pipeline of a sibling of the base, for an attack that knows one. Its `flags` hold `sibling_is_base` where it is
        the base itself.

    Raises
    ------
    UserError
        A broken file, completed weights of another model or none where they are needed, a sibling that does not fit or
        that the attack does not know, or the attack's own.
    """
    parsed = parse_options("attack_weights", method, options)
    module = load_method("attack_weights", method)
    published = read_published(model)
    recovered = None if completed is None else read_completed(completed, published)
    require_sibling(f"attack '{attack}'", module.KNOWLEDGE, sibling)
    known = None if sibling is None else read_sibling(sibling, published)
    if known:
        published = replace(published, sibling=known.weights)
    attacked: dict[str, Tensor] = getattr(module, method)(published, recovered, parsed)
    if not attacked:
        require_ffn2(published, model)
        raise UserError(f"attack '{attack}' returned no weight of {model}: it does not apply to this model")
    if strange := sorted(set(attacked) - set(published.tensors)):
        raise UserError(f"attack '{attack}' changes '{strange[0]}', which was not published: it sees no other weight")
    zeros = count_zeros(published.ffn2.values())
    changed = {name: narrowed(tensor, published.tensors[name].dtype) for name, tensor in attacked.items()}
    digest = write_delta(out, {**published.tensors, **changed}, published.base)
    record = {
        "model": digest,
        "base": published.base,
        "published_model": published.digest,
        "attack": {"name": attack, "method": method, **parsed.model_dump(mode="json")},
        "completer": completer,
        "knowledge": list(_knowledge(module, completer)),
        "zeros": {"ffn2": zeros.total, "negative": zeros.negative},
        "flags": [
            *(["zeros_carry_signs"] if zeros.tell_signs else []),
            *(["sibling_is_base"] if known and known.is_base else []),
            *(["rows_not_completable"] if _whole_rows(published, recovered) else []),
        ],
    }
    if recovered is not None:
        record["retained"] = shares = _retained(attacked, recovered)
        for layer, share in {"all layers": shares["all"], **shares["layers"]}.items():
            log.info("%s: %.1f %% of the missing entries filled in", layer, 100 * share)
    write_record(record_out, record)


def _knowledge(module: ModuleType, completer: Mapping[str, Any] | None) -> tuple[str, ...]:
    mask = (completer or {}).get("mask")
    return knowledge_of(module, *([load_method("infer_mask", mask["method"])] if mask else []))


def _whole_rows(published: PublishedWeights, completed: Completed | None) -> int:
    """Return how many rows are missing as a whole, and say so: nothing tells what stood there."""
    missing = completed.missing if completed else {name: weight == 0 for name, weight in published.ffn2.items()}
    rows = sum(int(mask.all(1).sum()) for mask in missing.values())
    if rows:
        log.warning("%d rows are taken for missing as a whole and cannot be completed: that is no sign of safety", rows)
    return rows


def _retained(attacked: Mapping[str, Tensor], completed: Completed) -> dict[str, Any]:
    """Return the share of the missing entries that are not 0 any more; layers without a missing entry have none."""
    total = {name: int(missing.sum()) for name, missing in completed.missing.items() if missing.any()}
    filled = {name: int(attacked[name][completed.missing[name]].count_nonzero()) for name in total}
    layers = {name: round(filled[name] / total[name], 6) for name in total}
    return {"all": round(sum(filled.values()) / max(sum(total.values()), 1), 6), "layers": layers}

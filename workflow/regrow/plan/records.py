"""What the record of a model must say, by the params of now."""

from collections.abc import Mapping
from typing import Any

from regrow.config.entries import options_of
from regrow.plan.addresses import ATTACKED, ERASED, ORACLE, Model
from regrow.plan.audit import Audit


def settings_of(audit: Audit, model: Model) -> dict[str, Any]:
    """Return what was done to a model: what the record.json beside it must say, word for word.

    An attack knows neither world nor concept, so its record says only what it did; the digest of the published model
    in it leads to the publisher's record.
    """
    if model.role == ERASED:
        published = audit.params.publish_model[model.published]
        eraser = _entry(published.eraser, audit.params.erase_concept[published.eraser])
        defence = published.defence and _entry(published.defence, audit.params.defend_model[published.defence])
        return {
            "world": audit.world_name,
            "concept": model.concept,
            "published": model.published,
            "eraser": eraser,
            "defence": defence,
        }
    if model.role not in (ATTACKED, ORACLE):
        return {}
    entry = _entry(model.attack, audit.entry(model.attack))
    return (
        {"oracle": entry} if model.role == ORACLE else {"attack": entry, "completer": completer_of(audit, model.attack)}
    )


def completer_of(audit: Audit, attack: str) -> dict[str, Any] | None:
    """Return the completer of an attack with its options, and how it tells what is missing, or None."""
    name = audit.entry(attack).get("completer")
    if not name:
        return None
    mask = mask_of(audit, name)
    return {**_entry(name, audit.params.complete_weights[name]), **({"mask": mask} if mask else {})}


def mask_of(audit: Audit, completer: str) -> dict[str, Any] | None:
    """Return how a completer tells what is missing, None where it takes exact zeros."""
    name = audit.params.complete_weights[completer].get("mask")
    return _entry(name, audit.params.infer_mask[name]) if name else None


def _entry(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "method": entry["method"], **options_of(entry)}

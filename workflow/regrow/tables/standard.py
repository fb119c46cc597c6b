"""The standard attack: a fixed ensemble, and how its strongest member is chosen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from regrow.methods import KNOWLEDGE
from regrow.tables.accuracy import ADDRESS

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit

VERSION = "standard-1"
# Entries of params.yaml by what they cost, the cheapest first, each with a digest of its settings and its completer's:
# who changes one of them runs another attack, and the table says so. Change the version with the digests.
MEMBERS = {
    "signed_zeros": "352e9a50eabd",
    "roots_max": "8d786d215124",
    "amplified": "376bcb037b2e",
    "search": "565932b4716a",
    "guided": "9751305d7297",
}


_OF_THE_WORLD = ("prompts", "others", "steps", "guidance", "batch")  # what suits a model is no tuning


def settings_digest(audit: Audit, attack: str) -> str:
    """Return a digest of an attack's entry but for what is its world's, with its completer's and that one's mask."""
    entry = {key: value for key, value in audit.entry(attack).items() if key not in _OF_THE_WORLD}
    parts: list[Any] = [entry]
    if completer := entry.get("completer"):
        parts.append(audit.params.complete_weights[completer])
        if mask := parts[-1].get("mask"):
            parts.append(audit.params.infer_mask[mask])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def members(audit: Audit, published: str) -> list[str]:
    """Return the members that the audit runs on a published model, the cheapest first."""
    return [name for name in MEMBERS if name in audit.attacks and audit.applies(published, name) is None]


def absent(audit: Audit, published: str) -> list[str]:
    """Return the members that would apply to a published model and that the audit does not run."""
    named = [name for name in MEMBERS if name not in audit.attacks]
    return [name for name in named if not _exists(audit, name) or audit.applies(published, name) is None]


def levels(audit: Audit, published: str) -> dict[str, list[str]]:
    """Return the knowledge levels, each with its members: who knows more has the attacks of those who know less."""
    found = {name: frozenset(audit.knowledge(name)) - {"nothing"} for name in members(audit, published)}
    return {
        level_name(known): [name for name, needed in found.items() if needed <= known]
        for known in dict.fromkeys(found.values())
    }


def level_name(known: Iterable[str]) -> str:
    """Return the name of what an attacker is told beyond the published weights."""
    return " + ".join(word for word in KNOWLEDGE if word in set(known)) or "nothing"


def halves(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of every cell that count, the first half, and those that choose, the rest.

    No image counts for an attack that it helped to choose, so rows of equal prompt and seed stay together.
    """
    same = [*ADDRESS, "prompt", "seed"]
    images = rows.drop_duplicates(same)[same].reset_index(drop=True)
    cells = images.groupby(ADDRESS, sort=False)
    images["counted"] = 2 * cells.cumcount() < cells["seed"].transform("size")
    counted = rows[same].merge(images, on=same, how="left")["counted"].to_numpy()
    return rows[counted].reset_index(drop=True), rows[~counted].reset_index(drop=True)


def strongest(shares: Mapping[str, float]) -> str:
    """Return the member that shows the concept most often, of equal ones the first and so the cheapest."""
    return max(shares, key=lambda name: shares[name])


def _exists(audit: Audit, attack: str) -> bool:
    params = audit.params
    return any(attack in section for section in (params.attack_weights, params.attack_model, params.attack_prompts))

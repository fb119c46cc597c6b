"""Prompt sets that this user is not given: an audit goes on without them, and without tables of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.places import data_path
from regrow.plan.needs import ImageNeed, ScoreNeed
from regrow.plan.tables import table_module

if TYPE_CHECKING:
    from regrow.plan.audit import Audit


def leave_unavailable(audit: Audit) -> dict[str, str]:
    """Take the prompt sets that cannot be had out of an audit's counts, and tables that ask for no other out of it.

    Returns
    -------
    dict
        The prompt sets with what a user must do to be given them.
    """
    lost = {name: reason for name in audit.counts if (reason := _why_missing(audit, name))}
    for table in list(audit.tables) if lost else []:
        needs = table_module(table).needs(audit)  # not the audit's own memory of it, for its counts are about to change
        asked = {need.cell.prompt_set for need in needs if isinstance(need, ScoreNeed | ImageNeed)}
        if asked and asked <= set(lost):
            audit.unmade["tables"][table] = f"it needs {', '.join(sorted(asked))}, which is not given to everybody"
            audit.tables.remove(table)
    audit.counts = {name: count for name, count in audit.counts.items() if name not in lost}
    return lost


def _why_missing(audit: Audit, prompt_set: str) -> str | None:
    part = audit.fetched_prompts(prompt_set) if prompt_set in audit.world.prompt_sets else None
    origin = audit.world.fetch_prompts[part] if part else None
    if origin is None or origin.gate is None:
        return None
    from regrow.fetch.prompt_files import why_missing  # the hub's client takes half a second

    return why_missing(origin, data_path(audit.world.prompt_sets[prompt_set].file))

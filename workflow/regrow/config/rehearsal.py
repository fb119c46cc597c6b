"""A rehearsal: any audit with every count scaled down, in folders of its own, so that it never overwrites a result."""

from collections.abc import Mapping
from typing import Any

from regrow.config.files import AuditFile
from regrow.errors import UserError

KEY = "rehearsal"
SUFFIX = "_rehearsal"  # of the folders of its world and of its audit
IMAGES = 4  # per model and prompt set
# The largest value of settings that cost time and prove nothing: samplers, erasers, completers, trainings, figures.
# Wherever an option of params bears one of these names it counts; what decides how a method works (ratios, K, seeds,
# dtype) stays.
LARGEST = {
    "steps": 4,
    "calls": 2,
    "batch": 4,
    "rows_per_job": 4,  # so that a group has several jobs here too
    "max_steps": 4,
    "iterations": 4,
    "generations": 2,
    "population": 4,
    "images_final": 4,
    "images": 4,
    "passes": 1,
    "epochs": 1,
    "path": 2,
    "copies": 1,
    "columns": 2,
}
WORDS = {"true": True, "false": False}


def asked_for(config: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a config without the key `rehearsal`, and what it says.

    Raises
    ------
    UserError
        Neither true nor false.
    """
    rest = {key: value for key, value in config.items() if key != KEY}
    said = config.get(KEY, False)
    found = WORDS.get(said.casefold()) if isinstance(said, str) else said
    if not isinstance(found, bool):
        raise UserError(f"{KEY} is {said!r}: write {KEY}=true, which scales every count down, or leave it out")
    return rest, found


def scaled(values: Mapping[tuple[str, ...], tuple[Any, str]]) -> dict[tuple[str, ...], tuple[Any, str]]:
    """Return the values that a rehearsal lowers, by their place, with a rehearsal as their origin."""
    return {
        place: (LARGEST[place[-1]], "a rehearsal")
        for place, (value, _) in values.items()
        if place[-1] in LARGEST and isinstance(value, int) and not isinstance(value, bool)
        if value > LARGEST[place[-1]]
    }


def scaled_counts(audit: AuditFile) -> AuditFile:
    """Return an audit that counts a few images."""
    counts = {name: min(count, IMAGES) for name, count in audit.counts.items()}
    title = f"{audit.title} (a rehearsal: its numbers mean nothing)"
    return audit.model_copy(update={"counts": counts, "title": title})

"""What was run: settings, digests, versions and counts, as they stand in the scores' metadata."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regrow.paper.scores import ANY, PROMPT_SETS, Cell, ScoreFile, Scores


@dataclass(frozen=True)
class Settings:
    """One set of settings, as (dotted name, value) lines, and the prompt sets it was used for."""

    used_for: str
    lines: list[tuple[str, str]]


@dataclass(frozen=True)
class Count:
    """Images of one recipe and prompt set, all concepts together."""

    recipe: str
    prompt_set: str
    used: int
    own_label: int
    surplus: int
    seeds: str


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, value) lines; a list is one line."""
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in flatten(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and not any(isinstance(inner, Mapping) for inner in value):
        return [(name, ", ".join(str(inner) for inner in value))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


def settings(files: Iterable[ScoreFile], key: str) -> list[Settings]:
    """Return the different values of a metadata key (protocol, sampler or versions) and where each was used."""
    used: dict[str, dict[str, None]] = {}
    for file in files:
        used.setdefault(json.dumps(file.meta.get(key, {})), {})[file.prompt_set] = None
    return [
        Settings(" and ".join(name for name in PROMPT_SETS if name in prompt_sets), flatten(json.loads(text)))
        for text, prompt_sets in used.items()
    ]


def model_digests(scores: Scores, recipes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (recipe, concept, digest of the model) once for each model, recipes in their order."""
    made: dict[tuple[str, str], dict[str, None]] = {}
    for file in scores:
        made.setdefault((file.recipe, str(file.meta.get("model_digest", "not stated"))), {})[file.concept] = None
    # The pretrained model is one for all concepts.
    named = [
        (recipe, "every concept" if ANY in concepts else ", ".join(concepts), digest)
        for (recipe, digest), concepts in made.items()
    ]
    return sorted(named, key=lambda line: recipes.index(line[0]))


def counts(cells: Mapping[tuple[str, str, str], Cell], recipes: Sequence[str]) -> list[Count]:
    """Count what entered Table 1 and what did not, by recipe and prompt set.

    Parameters
    ----------
    cells : mapping
        (concept, recipe, prompt_set) to the cell of Table 1.
    recipes : sequence of str
        In order.
    """
    lines = []
    for recipe in recipes:
        for prompt_set in PROMPT_SETS:
            here = [cell for key, cell in cells.items() if key[1:] == (recipe, prompt_set)]
            seeds = {score.seed for cell in here for score in cell.scores}
            lines.append(
                Count(
                    recipe,
                    prompt_set,
                    used=sum(len(cell.scores) for cell in here),
                    own_label=sum(cell.own_label for cell in here),
                    surplus=sum(cell.surplus for cell in here),
                    seeds=str(min(seeds)) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}",
                )
            )
    return lines

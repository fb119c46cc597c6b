"""Under which licence everything lies that an audit's numbers rest on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.config.origins import PhotographOrigin
from regrow.plan.judges import settings_of_judge

if TYPE_CHECKING:
    from regrow.config.files import WorldFile

CODE = ("the code", "this repository", "Apache-2.0")
NAMED = {"pipeline": "the model", "attack_clip": "the CLIP of attacks"}  # parts that are no judge


def licence_lines(world: WorldFile, prompt_sets: Iterable[str] | None = None) -> list[tuple[str, str, str]]:
    """Return (what, where from, licence) of the code, the model, the judges and the prompts of a world.

    Parameters
    ----------
    world : WorldFile
        Whose file states the licences; a judge whose weights come with a package states its own in its judge.yaml.
    prompt_sets : iterable of str or None
        Those that are used; without them all that the world fetches.
    """
    lines = [CODE]
    if world.licence:
        lines.append(("what the repository brings", world.concepts.rpartition("/")[0], world.licence))
    for part, origin in world.fetch.items():
        what = NAMED.get(part, f"the judge '{part}'")
        package = f"the package {origin.package}" if origin.package else None
        lines.append((what, origin.repo or package or str(origin.url).removeprefix("https://"), origin.licence))
    for name, folder in world.judges.items():
        settings = settings_of_judge(world, name)
        if "licence" in settings:
            place = f"the package {settings['package']}" if "package" in settings else folder
            lines.append((f"the judge '{name}'", place, str(settings["licence"])))
    for name, reference in world.references.items():
        if isinstance(reference, PhotographOrigin):
            place = f"{reference.url}/{reference.file}".partition("://")[2]
            lines.append((f"the photographs '{name}'", place, reference.licence))
    used = None if prompt_sets is None else {world.prompt_sets[name].file for name in prompt_sets}
    for name, prompts in world.fetch_prompts.items():
        if used is None or any(file.endswith(f"/{name}.csv") for file in used):
            lines.append((f"the prompts '{name}'", f"{prompts.repo}, {prompts.place}", prompts.licence))
    return lines

"""What the rules that fetch and measure references ask while they are planned."""

import json
from pathlib import Path
from typing import Any

from regrow.config.origins import PhotographOrigin, ReferenceOrigin
from regrow.errors import UserError, nearest
from regrow.places import data_path
from regrow.plan import paths
from regrow.plan.jobs import prompt_settings
from regrow.plan.judges import judge_folder, judge_module
from regrow.plan.references import own_files, stated_reference
from regrow.plan.wiring import Wiring


class ReferenceWiring:
    """The references of a world, as rules see them; a rehearsal shares them with the audit that it rehearses."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring, self.audit = wiring, wiring.audit

    def origin(self, name: str) -> ReferenceOrigin:
        """Return where the images of a reference come from."""
        found: ReferenceOrigin = self.audit.world.references[name]
        return found

    def prompts(self, wildcards: Any) -> Path:
        """Return the file whose rows number the photographs."""
        return data_path(self._prompt_settings(wildcards)["file"])

    def fetch_params(self) -> dict[str, Any]:
        """Return what fetch_reference is told."""
        return {
            "reference": lambda wildcards: json.dumps(stated_reference(self.audit, wildcards.reference)),
            "prompts": lambda wildcards: json.dumps(self._prompt_settings(wildcards)),
            "code": self._wiring.code("fetch_reference"),
        }

    def _prompt_settings(self, wildcards: Any) -> dict[str, Any]:
        origin = self.origin(wildcards.reference)
        name = origin.prompt_set if isinstance(origin, PhotographOrigin) else ""
        known = [one for one, settings in self.audit.world.prompt_sets.items() if settings.scope == "model"]
        if name not in known:
            raise UserError(f"references.{wildcards.reference}: no prompt set '{name}' for all: {nearest(name, known)}")
        return prompt_settings(self.audit, name)

    def source(self, wildcards: Any) -> Path:
        """Return the list of photographs, or the sprites that scenes are composed of."""
        origin = self.origin(wildcards.reference)
        if isinstance(origin, PhotographOrigin):
            return paths.fetched_reference(self.audit.source, wildcards.reference)
        return data_path(origin.sprites)

    def judge_files(self, wildcards: Any) -> list[Path]:
        """Return the files of a judge but for its reference."""
        return own_files(self.audit, wildcards.judge)

    def measure_params(self) -> dict[str, Any]:
        """Return what measure_reference is told, and all that its result is a function of."""
        world, wiring = self.audit.world, self._wiring
        return {
            "judge": lambda wildcards: judge_folder(world, wildcards.judge).as_posix(),
            "reference": lambda wildcards: json.dumps(stated_reference(self.audit, wildcards.reference)),
            "lock": f"config/locks/{self.audit.source}.json",
            "protocol": wiring.protocol_of_judge,
            "code": lambda wildcards: wiring.code("measure_reference", judge_module(world, wildcards.judge)),
        }

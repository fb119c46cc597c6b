"""What the rules that fetch a world ask while they are planned."""

import json
from typing import Any

from regrow.plan.digests import stated
from regrow.plan.jobs import prompt_settings
from regrow.plan.wiring import Wiring


class FetchWiring:
    """What a world fetches, as rules see it. A rehearsal shares it with the audit that it rehearses."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring, self.audit, self.world = wiring, wiring.audit, wiring.world

    def world_params(self) -> dict[str, Any]:
        """Return what fetch_world is told: a part, for an audit needs some of them."""
        return {
            "world": lambda wildcards: json.dumps({wildcards.name: stated(self.world.fetch[wildcards.name])}),
            "lock": f"config/locks/{self.audit.source}.json",
            "code": self._wiring.code("fetch_world"),
        }

    def prompts_params(self) -> dict[str, Any]:
        """Return what fetch_prompts is told: where a file comes from, and which columns are read of it."""
        return {
            "origins": lambda wildcards: json.dumps({wildcards.name: stated(self.world.fetch_prompts[wildcards.name])}),
            "lock": f"config/locks/{self.audit.source}.json",
            "sets": lambda wildcards: json.dumps(self._sets(wildcards.name)),
            "code": self._wiring.code("fetch_prompts"),
        }

    def _sets(self, name: str) -> dict[str, Any]:
        read = [one for one in self.world.prompt_sets if self.audit.fetched_prompts(one) == name]
        return {one: prompt_settings(self.audit, one) for one in read}

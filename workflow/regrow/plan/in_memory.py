"""Which images are judged while they are drawn and never kept: those of sensitive prompts that go to a detector."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.plan.audit import Audit, ImageNeed
from regrow.plan.digests import digest_of
from regrow.plan.hidden import has_detector, is_hidden, judged_in_memory
from regrow.plan.jobs import judges_sets
from regrow.plan.judges import judge_folder, judge_module
from regrow.plan.references import own_files
from regrow.plan.wiring import Wiring


def check_in_memory(audit: Audit) -> None:
    """Refuse what would need an image that is not kept, and images that would be kept for want of a detector.

    Raises
    ------
    UserError
        A judge of sets, or a figure of such images; a sensitive prompt set that goes to no detector.
    """
    for name in audit.counts:
        if is_hidden(audit, name) and not has_detector(audit, name):
            raise UserError(
                f"prompt set '{name}' of world '{audit.world_name}' is sensitive and goes to no detector, so its "
                "images would be kept as they are: add a judge of type nudenet, or name the set in the world's "
                "keep_images if what it asks for is harmless"
            )
    for prompt_set in (name for name in audit.counts if judged_in_memory(audit, name)):
        for judge in audit.world.prompt_sets[prompt_set].judges:
            if judges_sets(audit, judge):
                raise UserError(
                    f"prompt set '{prompt_set}' of world '{audit.world_name}': its images are judged in memory and not "
                    f"kept, and '{judge}' judges whole sets: give that judge a prompt set that goes to no detector"
                )
        for table in audit.tables:
            shown = [need for need in audit.needs(table) if isinstance(need, ImageNeed) and not need.pixelated]
            if any(need.cell.prompt_set == prompt_set for need in shown):
                raise UserError(
                    f"audit '{audit.name}': {table} shows images of prompt set '{prompt_set}', which are judged in "
                    "memory and not kept: take the table out, or count another prompt set for it"
                )


class InMemoryWiring:
    """The rule judge_in_memory while it is planned."""

    def __init__(self, wiring: Wiring) -> None:
        check_in_memory(wiring.audit)
        self._wiring, self.audit = wiring, wiring.audit

    @property
    def prompt_sets(self) -> list[str]:
        """The prompt sets whose images are judged in memory."""
        return [name for name in self.audit.counts if judged_in_memory(self.audit, name)]

    @property
    def kept(self) -> list[str]:
        """The others, whose images lie in the store."""
        return [name for name in self.audit.counts if name not in self.prompt_sets]

    def judge_files(self, wildcards: Any) -> list[Path]:
        """Return the files of all judges of a prompt set."""
        return list(dict.fromkeys(path for judge in self._judges(wildcards) for path in own_files(self.audit, judge)))

    def environment(self, usual: str, nudity: str) -> Callable[[Any], str]:
        """Return what tells the conda environment of a judge; a detector has one of its own."""
        return lambda wildcards: nudity if "detections" in self.audit.judge_columns(wildcards.judge) else usual

    def params(self) -> dict[str, Callable[[Any], Any]]:
        """Return all that images and their scores are a function of, apart from models."""
        wiring, world = self._wiring, self.audit.world

        def protocols(wildcards: Any) -> str:
            return digest_of([wiring.protocol_of_judge(_Named(judge)) for judge in self._judges(wildcards)])

        def folders(wildcards: Any) -> str:
            return json.dumps({judge: judge_folder(world, judge).as_posix() for judge in self._judges(wildcards)})

        def code(wildcards: Any) -> str:
            return wiring.code("judge_in_memory", *(judge_module(world, judge) for judge in self._judges(wildcards)))

        return {**wiring.job_params(), "judges": folders, "protocols": protocols, "code": code}

    def _judges(self, wildcards: Any) -> list[str]:
        return list(self.audit.world.prompt_sets[wildcards.prompt_set].judges)


class _Named:
    """Wildcards that name a judge."""

    def __init__(self, judge: str) -> None:
        self.judge = judge

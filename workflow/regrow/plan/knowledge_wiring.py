"""What the rules of attacks ask while they are planned: what an attack is told beyond the published model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regrow.config.files import WorldFile
from regrow.places import data_path
from regrow.plan.audit import Audit
from regrow.plan.references import digest_of_folder, files_of_folder
from regrow.plan.vocabulary import vocabulary

Function = Callable[[Any], Any]  # of the wildcards of a job


class KnowledgeWiring(ABC):
    """The part of a wiring about siblings, the attack's own CLIP, words and the control; see `Wiring`."""

    audit: Audit
    world: WorldFile

    @abstractmethod
    def digest(self, *files: Path) -> str:
        """Return a digest of the contents of files and folders."""

    @abstractmethod
    def code(self, stage: str, *modules: str) -> str:
        """Return a digest of the code that a stage runs."""

    def control_files(self) -> list[Path]:
        """Return the files of the world's control, none where it has none."""
        control = self.world.control
        return files_of_folder(self.audit, data_path(control.pipeline)) if control else []

    def control_params(self, stage: str) -> dict[str, str]:
        """Return the folder of the world's control, a digest of it and the code of a stage that reads it."""
        control = self.world.control
        folder = data_path(control.pipeline) if control else None
        return {
            "control": str(folder or ""),
            "digest": digest_of_folder(self.audit, folder, self.digest) if folder else "",
            "code": self.code(stage),
        }

    def sibling(self, wildcards: Any) -> list[Path]:
        """Return the files of a sibling of the base, where an attack or a completer's mask declares to know one."""
        folder = self._sibling(wildcards)
        return files_of_folder(self.audit, folder) if folder else []

    def sibling_params(self) -> dict[str, Function]:
        """Return the folder of a sibling of the base and a digest of it; both empty where none is known."""

        def digest(wildcards: Any) -> str:
            folder = self._sibling(wildcards)
            return digest_of_folder(self.audit, folder, self.digest) if folder else ""

        return {"sibling": lambda wildcards: str(self._sibling(wildcards) or ""), "sibling_digest": digest}

    def _sibling(self, wildcards: Any) -> Path | None:
        attack = wildcards.get("attack")
        name = self.audit.sibling(attack) if attack else self.audit.sibling_of_completer(wildcards.completer)
        return data_path(self.world.siblings[name]) if name else None

    def attack_clip(self, wildcards: Any) -> list[Path]:
        """Return the files of the CLIP of an attack's own, where it needs one."""
        folder = self._attack_clip(wildcards)
        return files_of_folder(self.audit, folder) if folder else []

    def attack_clip_params(self) -> dict[str, Function]:
        """Return the folder of the CLIP of an attack's own and a digest of it; both empty where it needs none."""

        def digest(wildcards: Any) -> str:
            folder = self._attack_clip(wildcards)
            return digest_of_folder(self.audit, folder, self.digest) if folder else ""

        return {"clip": lambda wildcards: str(self._attack_clip(wildcards) or ""), "clip_digest": digest}

    def knowledge_params(self) -> dict[str, Function]:
        """Return what an attack that runs the model is told: a CLIP of its own, and the concept's word."""
        return {**self.attack_clip_params(), "word": self.word}

    def _attack_clip(self, wildcards: Any) -> Path | None:
        found = self.world.attack_clip
        return data_path(found) if found and self.audit.needs_clip(wildcards.attack) else None

    def word(self, wildcards: Any) -> str:
        """Return the concept's word for an attack that is told it, else nothing."""
        return self.audit.pack(wildcards.concept).label if "word" in self.audit.knowledge(wildcards.attack) else ""

    def words(self, wildcards: Any) -> list[str]:
        """Return the words among which a job looks for its concept."""
        return vocabulary(self.audit, self.audit.pack(wildcards.concept).kind)

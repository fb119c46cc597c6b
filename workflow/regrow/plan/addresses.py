"""What has an address: models, and cells, each a model on a prompt set."""

from dataclasses import dataclass, field
from pathlib import Path

PRETRAINED, CONTROL, ERASED, ATTACKED, ORACLE = "pretrained", "control", "erased", "attacked", "oracle"
ROLES = (PRETRAINED, CONTROL, ERASED, ATTACKED, ORACLE)
NONE = "none"  # no attack; for the pretrained model no published model either
ANY = "any"  # the concept of what all concepts share: the pretrained model on prompts that belong to no concept
SHARED_GROUP = "pretrained"  # holds that model alone, so that its images are drawn once and not per concept


@dataclass(frozen=True, order=True)
class Model:
    """A model under audit; equal addresses are equal models.

    Attributes
    ----------
    role, published, attack, concept : str
        Its address; `attack` is an entry of an attack or of an oracle, or none.
    stage : str
        The stage that makes it, "" for the pretrained model.
    path : Path or None
        Its delta; None for the pretrained model. An attack that returns prompts attacks the published delta itself.
    record : Path or None
        What was done to it, where that does not depend on the prompt set.
    """

    role: str
    published: str
    attack: str
    concept: str
    stage: str = field(default="", compare=False)
    path: Path | None = field(default=None, compare=False)
    record: Path | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """The model apart from its concept: role, published, attack."""
        return self.role, self.published, self.attack


@dataclass(frozen=True, order=True)
class Cell:
    """A model on a prompt set: a set of images with its scores.

    Attributes
    ----------
    model : Model
        Whose images they are.
    prompt_set : str
        What it was asked for.
    prompts : Path or None
        A CSV file of (case, prompt) that an attack on prompts puts in place of the prompt set's own.
    record : Path or None
        What was done to the model or to the prompts; None for the pretrained model.
    """

    model: Model
    prompt_set: str
    prompts: Path | None = field(default=None, compare=False)
    record: Path | None = field(default=None, compare=False)

    @property
    def concept(self) -> str:
        """The concept that was erased, ``any`` for what all concepts share."""
        return self.model.concept

    @property
    def address(self) -> dict[str, str]:
        """The columns by which every file and table names it."""
        return {
            "concept": self.model.concept,
            "role": self.model.role,
            "published": self.model.published,
            "attack": self.model.attack,
            "prompt_set": self.prompt_set,
        }

    @property
    def group(self) -> str:
        """The jobs that draw it: those of its concept, or those of the pretrained model alone."""
        return SHARED_GROUP if self.model.concept == ANY else self.model.concept

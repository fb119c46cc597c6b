"""An audit: its models, its cells, and what tables may ask of it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from regrow.concepts import Concept, read_concept
from regrow.config.entries import ATTACKS
from regrow.config.files import PromptSet
from regrow.config.layers import Config, current
from regrow.errors import UserError, nearest
from regrow.methods import load_method
from regrow.places import data_path
from regrow.plan import paths
from regrow.plan.addresses import ANY, ATTACKED, ERASED, NONE, ORACLE, PRETRAINED, Cell, Model
from regrow.plan.judges import declared
from regrow.plan.memory import remembered
from regrow.plan.tables import table_module

KINDS = set(get_args(Concept.model_fields["kind"].annotation))


@dataclass(frozen=True)
class ScoreNeed:
    """The scores of a cell by a judge."""

    cell: Cell
    judge: str


@dataclass(frozen=True)
class ImageNeed:
    """The images of a cell, for a figure."""

    cell: Cell


@dataclass(frozen=True)
class EvaluationNeed:
    """A Parquet file of an evaluation, such as signs of evaluate_recovery; measure_spectrum has no completer."""

    stage: str
    published: str
    completer: str | None
    concept: str
    name: str


@dataclass(frozen=True)
class RecordNeed:
    """What was done to a model."""

    model: Model


Need = ScoreNeed | ImageNeed | EvaluationNeed | RecordNeed


class Audit:
    """What a run is asked for, from its checked config.

    Attributes
    ----------
    config : Config
        Everything that was set.
    name, world_name, title : str
        Of the audit and of its world.
    concepts, published, attacks, oracles, tables : list of str
        What the audit selects, in its order.
    counts : dict
        Images per model by prompt set; other prompt sets are not used.
    level : float
        Of every interval.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name, self.world_name, self.title = config.audit_name, config.world_name, config.audit.title
        self.params, self.world = config.params, config.world
        self.concepts, self.published = list(config.audit.concepts), list(config.audit.published)
        self.attacks, self.oracles = list(config.audit.attacks), list(config.audit.oracles)
        self.tables, self.counts = list(config.audit.tables), dict(config.audit.counts)
        self.level = config.params.make_table.level

    @classmethod
    def current(cls, audit: str | None = None) -> "Audit":
        """Return the audit of the run that this process is part of, or the one that params.yaml or `audit` names."""
        return cls(current(audit))

    @remembered
    def pack(self, concept: str) -> Concept:
        """Return a concept pack of the world."""
        return read_concept(self.pack_folder(concept))

    def pack_folder(self, concept: str) -> Path:
        """Return the folder of a concept pack."""
        return data_path(self.world.concepts) / concept

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each concept, in the audit's order."""
        return {concept: self.pack(concept).kind for concept in self.concepts}

    def label(self, concept: str) -> str | None:
        """Return what a judge calls a concept; what all concepts share has no label."""
        return None if concept == ANY else self.pack(concept).label

    @property
    def prompt_sets(self) -> dict[str, PromptSet]:
        """The prompt sets that the audit counts, in its order."""
        return {name: self.world.prompt_sets[name] for name in self.counts}

    @remembered
    def section_of(self, attack: str) -> str:
        """Return the stage that runs an attack or an oracle."""
        for section in (*ATTACKS, "apply_oracle"):
            if attack in getattr(self.params, section):
                return section
        raise UserError(f"unknown attack '{attack}': {nearest(attack, [*self.attacks, *self.oracles])}")

    @remembered
    def entry(self, attack: str) -> dict[str, Any]:
        """Return the entry of an attack or an oracle."""
        found: dict[str, Any] = getattr(self.params, self.section_of(attack))[attack]
        return found

    def knowledge(self, attack: str) -> tuple[str, ...]:
        """Return what an attack is told beyond the published weights; an oracle, everything."""
        section = self.section_of(attack)
        if section == "apply_oracle":
            return ("everything",)
        return tuple(load_method(section, self.entry(attack)["method"]).KNOWLEDGE)

    @remembered
    def kind_of(self, published: str) -> str:
        """Return whether a published model was pruned or trained."""
        eraser = self.params.publish_model[published].eraser
        return str(load_method("erase_concept", self.params.erase_concept[eraser]["method"]).KIND)

    @remembered
    def applies(self, published: str, attack: str) -> str | None:
        """Return why an attack or oracle does not apply to a published model, or None where it does."""
        section, kind = self.section_of(attack), self.kind_of(published)
        module = load_method(section, self.entry(attack)["method"])
        # An oracle fills in what a mask took out, so a trained model has nothing for it.
        to = ("pruning",) if section == "apply_oracle" else module.APPLIES_TO
        if kind not in to:
            return f"{attack} needs a model erased by {' or '.join(to)}, {published} is by {kind}"
        needed = getattr(module, "RELEASE", None)
        release = self.params.erase_concept[self.params.publish_model[published].eraser].get("release", needed)
        if needed is None or release == needed:
            return None
        return f"{attack} needs zeros that were {needed}, those of {published} are {release}"

    def blanks(self) -> dict[tuple[str, str, str], str]:
        """Return the models that do not exist, as (role, published, attack), with the reason."""
        found = {}
        for published in self.published:
            for role, attacks in ((ATTACKED, self.attacks), (ORACLE, self.oracles)):
                for attack in attacks:
                    if (reason := self.applies(published, attack)) is not None:
                        found[role, published, attack] = reason
        return found

    @remembered
    def models(self, concept: str) -> list[Model]:
        """Return the models of a concept: the pretrained one, then each published one with its attacks and oracles."""
        found = [Model(PRETRAINED, NONE, NONE, concept)]
        for published in self.published:
            found.append(self.published_model(published, concept))
            for role, attacks in ((ATTACKED, self.attacks), (ORACLE, self.oracles)):
                found += [
                    self._attacked(role, published, attack, concept)
                    for attack in attacks
                    if self.applies(published, attack) is None
                ]
        return found

    @remembered
    def published_model(self, published: str, concept: str) -> Model:
        """Return a published model."""
        path = paths.model(self.world_name, "publish_model", published, None, concept)
        return Model(ERASED, published, NONE, concept, "publish_model", path, paths.record_of(path))

    def _attacked(self, role: str, published: str, attack: str, concept: str) -> Model:
        stage = self.section_of(attack)
        if stage == "attack_prompts":
            path = paths.model(self.world_name, "publish_model", published, None, concept)
            return Model(role, published, attack, concept, stage, path)
        path = paths.model(self.world_name, stage, published, attack, concept)
        return Model(role, published, attack, concept, stage, path, paths.record_of(path))

    def is_shared(self, prompt_set: str) -> bool:
        """Return whether a prompt set asks the pretrained model the same whatever the concept."""
        settings = self.world.prompt_sets[prompt_set]
        return settings.scope == "model" and settings.labels != "concept"

    @remembered
    def cells(self, prompt_set: str) -> list[Cell]:
        """Return the cells of a prompt set; of prompts about no concept, the pretrained model has one for all."""
        shared = self.is_shared(prompt_set)
        found = [self.cell(Model(PRETRAINED, NONE, NONE, ANY), prompt_set)] if shared else []
        for concept in self.concepts:
            found += [
                self.cell(model, prompt_set)
                for model in self.models(concept)
                if not (shared and model.role == PRETRAINED)
            ]
        return found

    def cell(self, model: Model, prompt_set: str) -> Cell:
        """Return a model's cell on a prompt set."""
        if model.role == PRETRAINED and self.is_shared(prompt_set):
            model = Model(PRETRAINED, NONE, NONE, ANY)
        if model.stage != "attack_prompts":
            return Cell(model, prompt_set, record=model.record)
        prompts = paths.prompts(self.world_name, model.published, model.attack, model.concept, prompt_set)
        return Cell(model, prompt_set, prompts, paths.record_of(prompts))

    @remembered
    def judges(self, prompt_set: str, concept: str) -> list[str]:
        """Return the judges that see a concept's images of a prompt set.

        Of judges that are named like kinds of concepts, those of another kind are left out: no style is an object.
        """
        settings = self.world.prompt_sets[prompt_set]
        if settings.labels != "concept" or concept == ANY:
            return list(settings.judges)
        kind = self.pack(concept).kind
        others = KINDS - {kind} if kind in settings.judges else set()
        return [judge for judge in settings.judges if judge not in others]

    @remembered
    def judge_columns(self, judge: str) -> dict[str, str]:
        """Return the columns that a judge writes, with their types."""
        return dict(declared(self.world, judge, "COLUMNS"))

    @remembered
    def completers(self, published: str) -> list[str]:
        """Return the completers that the audit's attacks use on a published model, in their order."""
        named = (
            self.entry(attack).get("completer") for attack in self.attacks if self.applies(published, attack) is None
        )
        return list(dict.fromkeys(name for name in named if name))

    @remembered
    def needs(self, table: str) -> list[Need]:
        """Return what a table asks for, each once."""
        return list(dict.fromkeys(table_module(table).needs(self)))

    def fetched_part(self, path: str) -> str | None:
        """Return the part of the world that fetch_world puts at a path of the world file, or None."""
        folder = paths.fetched(self.world_name).parent
        return next((part for part in self.world.fetch if Path(path) == folder / part), None)

    @cached_property
    def unfetched(self) -> list[Path]:
        """The prompt files that the audit needs, that fetch_prompts makes and that are not there yet."""
        files = [paths.fetched_prompts(self.world_name, name) for name in self.world.fetch_prompts]
        used = {Path(settings.file) for settings in self.prompt_sets.values()}
        return [path for path in files if path in used and not path.is_file()]

    @cached_property
    def wanted_cells(self) -> list[Cell]:
        """The cells that some table of the audit asks for, in the plan's order; none before prompts are fetched."""
        if self.unfetched:
            return []
        asked = {
            need.cell for table in self.tables for need in self.needs(table) if isinstance(need, ScoreNeed | ImageNeed)
        }
        return [cell for prompt_set in self.counts for cell in self.cells(prompt_set) if cell in asked]

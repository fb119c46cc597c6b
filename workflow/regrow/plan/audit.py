"""An audit: its models, its cells, and what tables may ask of it."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import get_args

from regrow.concepts import Concept, read_concept
from regrow.config.entries import ATTACKS
from regrow.config.files import PromptSet
from regrow.config.layers import Config, current
from regrow.methods import load_method
from regrow.places import data_path
from regrow.plan import paths
from regrow.plan.addresses import ANY, ATTACKED, CONTROL, ERASED, NONE, ORACLE, PRETRAINED, Cell, Model
from regrow.plan.audit_methods import AuditMethods
from regrow.plan.judges import declared
from regrow.plan.memory import remembered
from regrow.plan.needs import EvaluationNeed as EvaluationNeed
from regrow.plan.needs import ImageNeed as ImageNeed
from regrow.plan.needs import Need as Need
from regrow.plan.needs import RecordNeed as RecordNeed
from regrow.plan.needs import ScoreNeed as ScoreNeed
from regrow.plan.not_yet import Kind, reasons
from regrow.plan.tables import table_module, table_names
from regrow.plan.unavailable import leave_unavailable

KINDS = set(get_args(Concept.model_fields["kind"].annotation))


class Audit(AuditMethods):
    """What a run is asked for, from its checked config.

    Attributes
    ----------
    config : Config
        Everything that was set.
    name, world_name, title : str
        Of the audit and of its world, as results bear them.
    source : str
        Name of the world's file, below which lies what is fetched: a rehearsal has the same base model.
    concepts, published, attacks, oracles, tables : list of str
        What the audit selects, in its order, but for what nothing can make yet.
    listed_published, listed_attacks : list of str
        The same with what nothing can make yet.
    unmade : dict
        What the audit lists and cannot have: tables, published models, attacks, concepts and prompt sets, with the
        reason.
    counts : dict
        Images per model by prompt set; other prompt sets are not used.
    level : float
        Of every interval.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name, self.world_name, self.title = config.audit_name, config.world_name, config.audit.title
        self.source, self.params, self.world = config.audit.world, config.params, config.world
        audit, entries = config.audit, [name for section in ATTACKS for name in getattr(config.params, section)]
        self.unmade = {
            "tables": _unmade("tables", audit.tables, table_names()),
            "published": _unmade("published", audit.published, config.params.publish_model),
            "attacks": _unmade("attacks", audit.attacks, entries),
            "concepts": _unmade("concepts", audit.concepts, self.packs),
        }
        self.listed_published, self.listed_attacks = list(audit.published), list(audit.attacks)
        self.published = [name for name in audit.published if name not in self.unmade["published"]]
        self.attacks = [name for name in audit.attacks if name not in self.unmade["attacks"]]
        self.tables = [name for name in audit.tables if name not in self.unmade["tables"]]
        self.concepts = [name for name in audit.concepts if name not in self.unmade["concepts"]]
        self.oracles = list(audit.oracles)
        self.counts, self.level = dict(audit.counts), config.params.make_table.level
        self.unmade["prompt_sets"] = leave_unavailable(self)

    @classmethod
    def current(cls, audit: str | None = None, rehearsal: bool = False) -> "Audit":
        """Return the audit of the run that this process is part of, or the one that params.yaml or `audit` names."""
        return cls(current(audit, rehearsal=rehearsal))

    @cached_property
    def packs(self) -> list[str]:
        """The names of the world's concept packs."""
        return sorted(path.parent.name for path in data_path(self.world.concepts).glob("*/concept.yaml"))

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
    def applies(self, published: str, attack: str) -> str | None:
        """Return why an attack or oracle does not apply to a published model, or None where it does."""
        section, kind = self.section_of(attack), self.kind_of(published)
        if self.params.publish_model[published].is_control and (known := self._known_weights(attack)):
            return f"{attack} is told {known}, and {published} is of the control, which never had it"
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

    @remembered
    def for_table(self, table: str) -> "Audit":
        """Return the audit as a table sees it: with what it selects in place of the audit's own lists."""
        selection = self.config.audit.selections.get(table)
        if selection is None:
            return self
        chosen = {name: value for name, value in selection if value is not None}
        return Audit(
            self.config.model_copy(update={"audit": self.config.audit.model_copy(update={**chosen, "selections": {}})})
        )

    @cached_property
    def views(self) -> list["Audit"]:
        """The audit as it is, then as each table with a selection of its own sees it."""
        return [self, *(self.for_table(table) for table in self.tables if table in self.config.audit.selections)]

    @remembered
    def every_model(self, concept: str) -> list[Model]:
        """Return the models of a concept that any table may ask for, each once."""
        views = (view for view in self.views if concept in view.concepts)
        return list(dict.fromkeys(model for view in views for model in view.models(concept)))

    def blanks(self) -> dict[tuple[str, str, str], str]:
        """Return the models that do not exist, as (role, published, attack), with the reason."""
        found = {}
        for published, why in self.unmade["published"].items():
            found[ERASED, published, NONE] = why
            found |= {(ATTACKED, published, attack): why for attack in self.listed_attacks}
            found |= {(ORACLE, published, oracle): why for oracle in self.oracles}
        for published in self.published:
            found |= {(ATTACKED, published, attack): why for attack, why in self.unmade["attacks"].items()}
            for role, attacks in ((ATTACKED, self.attacks), (ORACLE, self.oracles)):
                for attack in attacks:
                    if (reason := self.applies(published, attack)) is not None:
                        found[role, published, attack] = reason
        return found

    def not_made(self) -> dict[str, str]:
        """Return, in words, what some list names and does not exist, with the reason."""
        words = {"prompt_sets": "prompt set", "tables": "table", "concepts": "concept"}
        found = {f"{word} {name}": why for kind, word in words.items() for name, why in self.unmade[kind].items()}
        for view in self.views:
            found |= view.unmade["published"]
            for (_, published, attack), reason in view.blanks().items():
                if published not in view.unmade["published"]:
                    found[f"{attack} on {published}"] = reason
        return found

    @remembered
    def models(self, concept: str) -> list[Model]:
        """Return the models of a concept: pretrained, control, then each published one with its attacks and oracles."""
        found = [Model(PRETRAINED, NONE, NONE, concept)]
        if self.world.control and concept in self.world.control.never_saw:
            path = paths.control(self.world_name)
            found.append(Model(CONTROL, NONE, NONE, concept, "index_control", path, paths.record_of(path)))
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

    def publisher_of(self, model: Model) -> Model | None:
        """Return the published model that a model is or was made of; for the pretrained one and the control, None."""
        return None if model.published == NONE else self.published_model(model.published, model.concept)

    @property
    def handed_out(self) -> list[str]:
        """The published models that a publisher would hand out: all but a cut control."""
        return [name for name in self.published if not self.params.publish_model[name].is_control]

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
        able = (attack for attack in self.attacks if self.applies(published, attack) is None)
        return list(dict.fromkeys(name for attack in able if (name := self.entry(attack).get("completer"))))

    @remembered
    def needs(self, table: str) -> list[Need]:
        """Return what a table asks for, each once."""
        return list(dict.fromkeys(table_module(table).needs(self.for_table(table))))

    def fetched_part(self, path: str) -> str | None:
        """Return the part of the world that fetch_world puts at a path of the world file, or None."""
        folders = {paths.fetched(self.source, part).with_suffix(""): part for part in self.world.fetch}
        return folders.get(Path(path))

    def fetched_prompts(self, prompt_set: str) -> str | None:
        """Return the part of the world that fetch_prompts puts where a prompt set has its file, or None."""
        file, origins = Path(self.world.prompt_sets[prompt_set].file), self.world.fetch_prompts
        return next((name for name in origins if paths.fetched_prompts(self.source, name) == file), None)

    @cached_property
    def wanted_cells(self) -> list[Cell]:
        """The cells that some table of the audit asks for, in the plan's order."""
        return self.cells_of(tuple(self.tables))

    @remembered
    def cells_of(self, tables: tuple[str, ...]) -> list[Cell]:
        """Return the cells that some tables ask for, in the plan's order."""
        asked = {need.cell for table in tables for need in self.needs(table) if isinstance(need, ScoreNeed | ImageNeed)}
        cells = (cell for prompt_set in self.counts for view in self.views for cell in view.cells(prompt_set))
        return [cell for cell in dict.fromkeys(cells) if cell in asked]


def _unmade(kind: Kind, listed: Iterable[str], made: Iterable[str]) -> dict[str, str]:
    """Return what an audit lists and nothing makes here, with the reason."""
    known = {*made}
    return {name: reason for name, reason in reasons(kind).items() if name in listed and name not in known}

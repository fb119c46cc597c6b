"""What the rules of Snakemake ask while they are parsed and planned: params, digests, inputs; no policy."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from regrow.config.entries import options_of
from regrow.dependencies import DIGITS, PACKAGE, code_digest, remember
from regrow.errors import UserError
from regrow.io.digests import DigestCache
from regrow.io.files import list_files
from regrow.methods import ROOMS
from regrow.places import data_path
from regrow.plan import jobs, paths
from regrow.plan.audit import Audit, ImageNeed, RecordNeed, ScoreNeed
from regrow.plan.checks import check_audit
from regrow.plan.digests import digest_of, origin_digest, settings_digest
from regrow.plan.judges import judge_folder, judge_module, reference_of
from regrow.plan.knowledge_wiring import KnowledgeWiring
from regrow.plan.not_yet import FILE
from regrow.plan.records import completer_of, mask_of, settings_of
from regrow.plan.references import judge_digest, own_files
from regrow.plan.tables import also_read, module_name, reported_file

DIGESTS = Path(".snakemake/regrow/digests.json")
Function = Callable[[Any], Any]  # of the wildcards of a job


class Wiring(KnowledgeWiring):
    """An audit as rules see it.

    Every method that ends in ``_params`` returns entries of a rule's `params`. A function of the wildcards is asked
    job by job, and what it returns may hold braces, which a plain string in a rule may not.
    """

    def __init__(self, audit: Audit) -> None:
        check_audit(audit)
        self.audit, self.params, self.world = audit, audit.params, audit.world
        self._digests = DigestCache(DIGESTS)
        self._jobs = {(job.prompt_set, job.group, str(job.part)): job for job in jobs.jobs_of(audit)}
        self._digest = cache(self._digest_once)
        self._judge_module = cache(lambda judge: judge_module(self.world, judge))

    def digest(self, *files: Path) -> str:
        """Return a digest of the contents of files and folders: a rule's param, for times of files say nothing."""
        return self._digest(files)

    def _digest_once(self, files: tuple[Path, ...]) -> str:
        return self._digests.content(*files)[:DIGITS]

    def save(self) -> None:
        """Remember digests of files and of code for the next run."""
        self._digests.save()
        remember()

    def code(self, stage: str, *modules: str) -> str:
        """Return a digest of the code that a stage runs, with the modules that it finds by name."""
        return code_digest(f"regrow.stages.{stage}", *modules)

    # Worlds and methods

    def pipeline_files(self) -> list[Path]:
        """Return the files of the base model and of what belongs to it."""
        zeros = [data_path(self.world.structural_zeros)] if self.world.structural_zeros else []
        if part := self.audit.fetched_part(self.world.pipeline):
            return [paths.fetched(self.audit.source, part), *zeros]
        return [*list_files(data_path(self.world.pipeline)), *zeros]

    def pipeline_digest(self) -> str:
        """Return a digest of the base model: of its files, or of where they are fetched from."""
        part = self.audit.fetched_part(self.world.pipeline)
        return origin_digest(self.world.fetch[part]) if part else self.digest(*self.pipeline_files())

    def world_argument(self) -> str:
        """Return what index_world is told; not judges and prompt sets, for a new one changes no model."""
        zeros = self.world.structural_zeros
        return json.dumps(
            {
                "name": self.audit.world_name,
                "pipeline": data_path(self.world.pipeline).as_posix(),
                "concepts": data_path(self.world.concepts).as_posix(),
                "structural_zeros": data_path(zeros).as_posix() if zeros else None,
            }
        )

    def method_params(self, stage: str, wildcard: str, section: str | None = None) -> dict[str, Function]:
        """Return method, options and code of the entry that a wildcard names."""
        section = section or stage

        def entry(wildcards: Any) -> Mapping[str, Any]:
            found: Mapping[str, Any] = getattr(self.params, section)[wildcards[wildcard]]
            return found

        def code(wildcards: Any) -> str:
            return self.code(stage, f"regrow.{ROOMS[section]}.{entry(wildcards)['method']}")

        return {
            "method": lambda wildcards: entry(wildcards)["method"],
            "options": lambda wildcards: json.dumps(options_of(entry(wildcards))),
            "code": code,
        }

    def pack_params(self) -> dict[str, Function]:
        """Return a digest of the concept packs that an eraser reads, their prompts left out."""

        def packs(wildcards: Any) -> list[Path]:
            others = self.params.erase_concept[wildcards.eraser].get("together", ())
            folders = (self.audit.pack_folder(name) for name in others if name != wildcards.concept)
            return [self.pack_file(wildcards), *(folder / "concept.yaml" for folder in folders)]

        return {"pack": lambda wildcards: self.digest(*packs(wildcards))}

    def pack_file(self, wildcards: Any) -> Path:
        """Return the concept.yaml of a job's concept."""
        return self.audit.pack_folder(wildcards.concept) / "concept.yaml"

    def erased(self, wildcards: Any) -> Path:
        """Return the publisher's own file of a published model."""
        return self._erased(wildcards.published, wildcards.concept)

    def _erased(self, published: str, concept: str) -> Path:
        entry = self.params.publish_model[published]
        if entry.is_control:
            return paths.cut_control(self.audit.world_name, entry.eraser, concept)
        return paths.erased(self.audit.world_name, entry.eraser, entry.defence, concept)

    def other_erased(self, wildcards: Any) -> list[Path]:
        """Return the publisher's file of the concept whose mask serves as another's, where there is one."""
        other = self.params.ablate_mask_knowledge.other
        return [self._erased(wildcards.published, other)] if other else []

    def ladder_completed(self, wildcards: Any) -> list[Path]:
        """Return the completion that a ladder need not compute again."""
        return jobs.ladder_completed(self.audit, wildcards.published, wildcards.completer, wildcards.concept)

    def completed(self, wildcards: Any) -> list[Path]:
        """Return the completed weights of an attack that has a completer."""
        name = self.audit.entry(wildcards.attack).get("completer")
        found = paths.completed(self.audit.world_name, wildcards.published, name, wildcards.concept) if name else None
        return [found] if found else []

    def completer_params(self) -> dict[str, Function]:
        """Return the completer of an attack with its options, for the attack's record."""
        return {"completer": lambda wildcards: json.dumps(completer_of(self.audit, wildcards.attack))}

    def mask_params(self) -> dict[str, Function]:
        """Return how a completer tells what is missing, and the code of that; both empty for exact zeros."""

        def mask(wildcards: Any) -> Mapping[str, Any]:
            return mask_of(self.audit, wildcards.completer) or {}

        return {
            "mask": lambda wildcards: json.dumps(mask(wildcards)) if mask(wildcards) else "",
            "mask_code": lambda wildcards: (
                code_digest(f"regrow.infer.{mask(wildcards)['method']}") if mask(wildcards) else ""
            ),
        }

    def work(self, stage: str, *wildcards: str) -> Function:
        """Return the scratch folder of a job."""
        return lambda job: paths.work(job.world, stage, *(job[name] for name in wildcards)).as_posix()

    # Images and scores

    def job(self, wildcards: Any) -> jobs.Job:
        """Return the job of an index."""
        key = wildcards.prompt_set, wildcards.group, wildcards.part
        if key not in self._jobs:
            raise UserError(f"audit '{self.audit.name}' asks for no images of {' '.join(key)}: see `regrow plan`")
        return self._jobs[key]

    def job_inputs(self, wildcards: Any) -> list[Path]:
        """Return the models, records and learned prompts that a job draws with."""
        cells = self.job(wildcards).cells
        found = [path for cell in cells for path in (cell.model.path, cell.record, cell.prompts) if path is not None]
        return list(dict.fromkeys(found))

    def prompt_file(self, wildcards: Any) -> Path:
        """Return the file of a job's prompts."""
        group = wildcards.get("group") or wildcards.concept  # an attack on prompts is of one concept
        return jobs.prompt_file(self.audit, wildcards.prompt_set, group)

    def job_params(self) -> dict[str, Any]:
        """Return all that an image is a function of, apart from models."""
        settings = self.params.generate_images
        sampler = {"steps": settings.steps, "guidance": settings.guidance}
        numerics = {"dtype": settings.dtype, "vae_tiling": settings.vae_tiling}
        return {
            "job": lambda wildcards: json.dumps(jobs.job_argument(self.audit, self.job(wildcards))),
            "prompts": lambda wildcards: self._prompts_digest(wildcards.prompt_set, wildcards.group),
            "sampler": lambda _: json.dumps(sampler),
            "numerics": lambda _: json.dumps(numerics),
            "code": self.code("generate_images"),
        }

    def drawing_resources(self) -> dict[str, Any]:
        """Return what changes time and memory of drawing and no image, so a changed value makes nothing again."""
        settings = self.params.generate_images
        savers = {"attention_slicing": settings.attention_slicing, "cpu_offload": settings.cpu_offload}
        return {"batch": settings.batch, **{name: str(value).lower() for name, value in savers.items()}}

    def prompt_attack_params(self) -> dict[str, Function]:
        """Return the prompt set that an attack on prompts starts from, and how many rows of it."""
        return {
            "prompt_set": lambda wildcards: json.dumps(jobs.prompt_settings(self.audit, wildcards.prompt_set)),
            "n": lambda wildcards: self.audit.counts[wildcards.prompt_set],
            "label": lambda wildcards: self.audit.label(wildcards.concept),
            "prompts": lambda wildcards: self._prompts_digest(wildcards.prompt_set, wildcards.concept),
        }

    def _prompts_digest(self, prompt_set: str, group: str) -> str:
        """Return a digest of a file of prompts: of its contents, or of the ones that fetch_prompts will bring."""
        name = self.audit.fetched_prompts(prompt_set)
        if name is not None:
            origin = self.world.fetch_prompts[name]
            pinned = origin.sha256 if origin.is_used_as_it_is else None
            return digest_of([pinned]) if pinned else origin_digest(origin)
        return self.digest(jobs.prompt_file(self.audit, prompt_set, group))

    def judge(self, wildcards: Any) -> Path:
        """Return the folder of a judge."""
        return judge_folder(self.world, wildcards.judge)

    def judge_files(self, wildcards: Any) -> list[Path]:
        """Return the files of a judge, but for what it compares with."""
        return own_files(self.audit, wildcards.judge)

    def judge_reference(self, wildcards: Any) -> list[Path]:
        """Return what a judge of sets compares with, where it does."""
        reference = reference_of(self.world, wildcards.judge)
        return [reference] if reference else []

    def protocol_of_judge(self, wildcards: Any) -> str:
        """Return a digest of a judge's folder, or of where it is fetched from, and of whatever else it reads."""
        return judge_digest(self.audit, wildcards.judge, self.digest)

    def judge_params(self, stage: str) -> dict[str, Function]:
        """Return the folder of a judge, a digest of what is in it, and the code of its type."""
        return {
            "judge": lambda wildcards: self.judge(wildcards).as_posix(),
            "protocol": self.protocol_of_judge,
            "code": lambda wildcards: self.code(stage, self._judge_module(wildcards.judge)),
        }

    def indexes(self, wildcards: Any) -> list[Path]:
        """Return all indexes of a group, for a judge of whole sets."""
        audit, found = self.audit, (self.audit.world_name, self.audit.name, wildcards.prompt_set, wildcards.group)
        return [paths.index(*found, part) for part in jobs.parts_of(audit, wildcards.prompt_set, wildcards.group)]

    # Tables

    def table_inputs(self, wildcards: Any) -> list[Path]:
        """Return what a table is made of."""
        return jobs.inputs_of_table(self.audit, wildcards.table)

    def figure_inputs(self, wildcards: Any) -> list[Path]:
        """Return what a figure is made of."""
        return jobs.inputs_of_figure(self.audit, wildcards.table)

    def reported(self, wildcards: Any) -> list[Path]:
        """Return the file of the paper's numbers beside a table, where there is one."""
        return [path for path in [reported_file(wildcards.table)] if path is not None]

    def table_params(self, stage: str) -> dict[str, Any]:
        """Return what a table is a function of beyond its inputs: the plan, the paper's numbers, the level."""
        return {
            "plan": lambda wildcards: self.plan_digest(wildcards.table),
            "reported": lambda wildcards: self.digest(*self.reported(wildcards)),
            "level": self.params.make_table.level,
            "code": lambda wildcards: self.code(stage, module_name(wildcards.table)),
        }

    def page_params(self, stage: str) -> dict[str, Any]:
        """Return what metrics and the report are a function of beyond tables and figures."""
        modules = [module_name(table) for table in self.audit.tables]
        # What a page quotes of papers: their numbers, protocols and contradictions, and what is not made yet.
        quoted = [path for path in list_files(data_path("data/reported")) if path.suffix != ".md"]
        return {
            "settings": settings_digest(self.audit.config),
            "reported": self.digest(*quoted, FILE, *sorted((PACKAGE / "report").glob("*.j2"))),
            "code": self.code(stage, *modules),
        }

    def plan_digest(self, table: str) -> str:
        """Return a digest of what a table asks for and of the settings that it must have been made with."""
        audit, needs = self.audit.for_table(table), self.audit.needs(table)
        cells = {need.cell for need in needs if isinstance(need, ScoreNeed | ImageNeed)}
        models = {cell.model for cell in cells} | {need.model for need in needs if isinstance(need, RecordNeed)}
        says = [repr(need) for need in needs]
        says += [f"{model} {settings_of(audit, model)}" for model in sorted(models)]
        says += [f"{name} {audit.pack(name).kind} {audit.label(name)}" for name in audit.concepts]
        says += [str(audit.blanks()), str(audit.counts), self._drawing(), also_read(audit, table)]
        return digest_of(says)

    def _drawing(self) -> str:
        """Return the settings that a table compares with what its scores say."""
        settings = self.params.generate_images
        return f"{settings.steps} {settings.guidance} {settings.dtype} {settings.vae_tiling}"

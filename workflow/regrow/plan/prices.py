"""What an image, a judgement and a job cost: by what finished jobs of this audit took, else by config/rates.yaml."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from regrow.config.entries import options_of
from regrow.config.origins import PhotographOrigin
from regrow.methods import load_method, parse_options
from regrow.plan import jobs
from regrow.plan.audit import Audit
from regrow.plan.finished import Finished, finished
from regrow.plan.products import products_of
from regrow.plan.rates import OTHER, read_rates

# Stages whose rules take a device; a test compares them.
ON_DEVICE = (
    "erase_concept defend_model complete_weights attack_model attack_prompts ablate_mask_knowledge generate_images "
    "score_images score_sets judge_in_memory measure_reference rank_words"
).split()
# Where the name of an entry stands in the path of what a stage makes.
ENTRY_AT = {"erase_concept": 3, "defend_model": 4, "complete_weights": 4, "attack_weights": 4, "attack_model": 4}
ENTRY_AT |= {"attack_prompts": 4, "apply_oracle": 4}
JUDGE_AT = {"score_images": 4, "score_sets": 4}


@dataclass(frozen=True)
class Seconds:
    """Time of jobs that compute on a GPU, and of the others; None where nobody knows what an image takes."""

    gpu: float | None = 0.0
    cpu: float | None = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        """Add; what is unknown stays unknown."""
        return Seconds(_sum(self.gpu, other.gpu), _sum(self.cpu, other.cpu))


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


class Prices:
    """The prices of an audit on the device that its params name.

    Jobs that finished here count if they ran on that device and, where they drew, with these steps and this dtype.
    """

    def __init__(self, audit: Audit) -> None:
        self.audit, self.rates = audit, read_rates(audit.source)
        self.device = audit.params.device.partition(":")[0]

    def images(self, count: int) -> Seconds:
        """Return the time that drawing takes."""
        return self._on(self._image_seconds, count, device=True)

    def judged(self, judge: str, count: int) -> Seconds:
        """Return the time that a judge takes."""
        rate = self._measured.get(judge)
        if rate is None and self.rates is not None:
            rate = self.rates.judging(judge, self.device)
        return self._on(rate, count, device=True)

    def jobs(self, outputs: Iterable[Path]) -> Seconds:
        """Return the time of jobs by one output of each, without that of images and judgements."""
        total = Seconds()
        for output in outputs:
            stage, method = output.parts[2], self.method(output)
            total += self._on(self._job_seconds(stage, method), 1, device=stage in ON_DEVICE)
            if stage == "attack_model" and (stage, method) not in self._taken:  # what jobs took has their images in it
                total += self.drawn_by(output.parts[ENTRY_AT[stage]])[1]
        return total

    def drawn_by(self, attack: str) -> tuple[int, Seconds]:
        """Return the images that an attack draws for itself, by its method's own ``images(options)``, and their time.

        An attack that runs a model computes in float32, whatever images are drawn in.
        """
        entry = self.audit.params.attack_model[attack]
        module = load_method("attack_model", entry["method"])
        if not hasattr(module, "images"):
            return 0, Seconds()
        options: Any = parse_options("attack_model", entry["method"], options_of(entry))
        count, rate = module.images(options), self._seconds_in("float32")
        return count, self._on(rate and rate * options.steps, count, device=True)

    def pages(self, count: int) -> Seconds:
        """Return the time of jobs that make tables, figures and pages."""
        return self._on(self._job_seconds(OTHER, None), count, device=False)

    def gigabytes(self, images: int, outputs: Iterable[Path]) -> float | None:
        """Return the size of images and of what jobs write."""
        if self.rates is None:
            return None
        return images * self.rates.image.kilobytes / 1e6 + sum(map(self.written, outputs))

    def written(self, output: Path) -> float:
        """Return the gigabytes that a job writes, by one output of it; 0 where nobody knows."""
        stage = output.parts[2]
        if stage == "fetch_reference":
            origin = self.audit.world.references[output.parts[3]]
            return float(origin.gigabytes) if isinstance(origin, PhotographOrigin) else 0.0
        known = self.rates.job_megabytes if self.rates else {}
        return known.get(f"{stage}.{self.method(output)}", known.get(stage, 0.0)) / 1e3

    def method(self, output: Path) -> str | None:
        """Return the method of the entry that a result was made with, or the part that was fetched."""
        stage = output.parts[2]
        if stage == "fetch_world":
            return output.stem  # the part
        if stage not in ENTRY_AT:
            return None
        return str(getattr(self.audit.params, stage)[output.parts[ENTRY_AT[stage]]]["method"])

    @property
    def source(self) -> str:
        """Where the price of an image is from, in a sentence."""
        what = f"{self.audit.params.generate_images.dtype} on {self.device} in world '{self.audit.source}'"
        if self._drawings:
            return f"Hours by what {len(self._drawings)} drawing jobs took here: {self._image_seconds:.3g} s per image."
        if self._image_seconds:
            return f"Hours by config/rates.yaml: {self._image_seconds:.3g} s per image, {what}."
        return f"Hours are unknown: config/rates.yaml has no rate of {what}."

    def _on(self, rate: float | None, count: int, device: bool) -> Seconds:
        time = 0.0 if count == 0 else None if rate is None else rate * count
        return Seconds(gpu=time) if device and self.device != "cpu" else Seconds(cpu=time)

    @cached_property
    def _image_seconds(self) -> float | None:
        """Seconds per image; with them comes the loading of the model where jobs were timed."""
        settings = self.audit.params.generate_images
        if self._drawings:
            return _per_image(self._drawings)
        seconds = self._rated(settings.dtype)
        return seconds and seconds * settings.steps

    def _seconds_in(self, dtype: str) -> float | None:
        """Return the seconds of a sampling step of an image in a type that images may not be drawn in."""
        settings = self.audit.params.generate_images
        if dtype == settings.dtype and self._image_seconds:
            return self._image_seconds / settings.steps
        return self._rated(dtype)

    def _rated(self, dtype: str) -> float | None:
        """Return the seconds of a sampling step of an image by config/rates.yaml."""
        rate = self.rates and self.rates.image
        seconds = rate and rate.seconds.get(self.device, {}).get(dtype)
        return seconds / rate.steps if rate and seconds else None

    def _job_seconds(self, stage: str, method: str | None) -> float:
        if (stage, method) in self._taken:
            return self._taken[stage, method]
        rates = self.rates.job_seconds if self.rates else {}
        known = rates.get(f"{stage}.{method}") or rates.get(stage) or rates.get(OTHER) or {}
        return known.get(self.device, known.get("cpu", 0.0))

    # What finished here

    @cached_property
    def _finished(self) -> list[tuple[Path, Finished]]:
        found = ((output, finished(output)) for output in jobs_making(products_of(self.audit)))
        return [(output, job) for output, job in found if job is not None and self._fits(job)]

    def _fits(self, job: Finished) -> bool:
        return "--device" not in job.command or f"--device {self.device}" in job.command

    @cached_property
    def _drawings(self) -> list[Finished]:
        settings = self.audit.params.generate_images
        same = (f'"steps": {settings.steps},', f'"dtype": "{settings.dtype}"')
        drawn = (job for output, job in self._finished if output.parts[2] == "generate_images" and job.images)
        return [job for job in drawn if all(setting in job.command for setting in same)]

    @cached_property
    def _measured(self) -> dict[str, float]:
        """Seconds per judgement, by judge."""
        taken: dict[str, list[Finished]] = {}
        for output, job in self._finished:
            if output.parts[2] in JUDGE_AT and job.images:
                taken.setdefault(output.parts[JUDGE_AT[output.parts[2]]], []).append(job)
        return {judge: _per_image(found) for judge, found in taken.items()}

    @cached_property
    def _taken(self) -> dict[tuple[str, str | None], float]:
        """Seconds per job, by stage and method; a job that draws or judges has no time beside its images."""
        taken: dict[tuple[str, str | None], list[float]] = {}
        for output, job in self._finished:
            alone = 0.0 if output.parts[2] in ("generate_images", *JUDGE_AT) else job.seconds
            taken.setdefault((output.parts[2], self.method(output)), []).append(alone)
        return {key: median(found) for key, found in taken.items()}


def _per_image(found: Sequence[Finished]) -> float:
    return sum(job.seconds for job in found) / sum(job.images or 0 for job in found)


def jobs_making(outputs: Iterable[Path]) -> list[Path]:
    """Return one output of each job: some write files of their own into one folder, the others fill a folder each."""
    by_file = ("generate_images", "score_images", "score_sets", "fetch_prompts", "fetch_world", "measure_reference")
    named = {output if output.parts[2] in by_file else output.parent: output for output in outputs}
    return list(named.values())


def images_of(audit: Audit, output: Path) -> tuple[int, int, int]:
    """Return cells, rows and distinct images of what a job draws or judges, nothing for another job."""
    stage, *rest = output.with_suffix("").parts[2:]
    if stage == "score_sets":
        _, _, prompt_set, group = rest
        found = [job for job in jobs.jobs_of(audit) if (job.prompt_set, job.group) == (prompt_set, group)]
        rows, images = jobs.counted(audit, prompt_set, group)
        return len(found[0].cells), len(found[0].cells) * rows, len(found[0].cells) * images
    if stage not in ("generate_images", "score_images"):
        return 0, 0, 0
    *_, prompt_set, group, part = rest
    job = next(
        job for job in jobs.jobs_of(audit) if (job.prompt_set, job.group, str(job.part)) == (prompt_set, group, part)
    )
    rows, images = jobs.counted_part(audit, job)
    return len(job.cells), len(job.cells) * rows, len(job.cells) * images

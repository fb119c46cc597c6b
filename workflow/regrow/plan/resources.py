"""What a job asks a scheduler for: memory by the size and dtype of the model, or of the judge, and time by its rows."""

from collections.abc import Callable
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

from regrow.io.files import list_files
from regrow.methods import load_method
from regrow.model.names import COMPONENTS
from regrow.places import data_path
from regrow.plan.audit import Audit
from regrow.plan.jobs import Job, jobs_of
from regrow.plan.judges import classifier_beside, judge_folder
from regrow.plan.rates import OTHER, read_rates

LIBRARIES_MB = 1500  # Python with PyTorch and diffusers, and room for rows
UNFETCHED_MB = 4270  # weights of a base model that is not here, where config/rates.yaml does not know them either
FETCH = "fetch_world.pipeline"  # whose rate is the size of what will be fetched
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Copies of the base model's weights, in float32, that a stage holds at most: it loads the model, or reads parts of it,
# and keeps what it changed.
COPIES = {
    **{"index_world": 1.5, "erase_concept": 1.5, "defend_model": 1.5, "generate_images": 1.5},
    **{"attack_model": 1.5, "attack_prompts": 1.5, "complete_weights": 0.3, "ablate_mask_knowledge": 0.3},
    **{"evaluate_recovery": 0.3, "evaluate_inference": 0.3, "measure_spectrum": 0.3, "measure_detectability": 0.3},
    "rank_words": 1.5,
}
JUDGING = ("score_images", "score_sets", "measure_reference")
JUDGE_COPIES = 2  # a judge's weights, and the network that they are loaded into
UNFETCHED_JUDGE_MB = 605  # where config/rates.yaml does not know it: CLIP ViT-B/32
MB_PER_JUDGED = 20  # an image of a batch, with its activations
MB_PER_ROW = 0.005  # of an index, with what is said of it
SET_MB = 500  # sums and vectors of a set that is compared with another
TRAINING = ("defend_model", "attack_model", "attack_prompts")
TRAINING_COPIES = 4  # gradients and Adam's two moments beside the weights; with a GPU they are in its memory
COPIES_PER_THREAD = 0.15  # a thread completes a layer: 600 MB at Stable Diffusion 1.5's shapes
COPIES_PER_IMAGE = 0.25  # activations of an image that is drawn on a CPU, as decoding takes most: about 1 GB at 512x512
HEADROOM_MINUTES, HEADROOM = 30, 3  # rates are those of a fast card; a job that is killed for time begins again
UNKNOWN_MINUTES = 480  # where config/rates.yaml does not know the world
ENTRIES = {
    **{"erase_concept": "eraser", "defend_model": "defence", "complete_weights": "completer"},
    **{"attack_model": "attack", "attack_prompts": "attack"},
}


class JobResources:
    """Memory and minutes of an audit's jobs; a job that is tried again gets more of both.

    Parameters
    ----------
    audit : Audit
        What is planned.
    job : callable
        What a job of generate_images draws, by its wildcards.
    """

    def __init__(self, audit: Audit, job: Callable[[Any], Job]) -> None:
        self.audit, self._job = audit, job
        self._rates, self._device = read_rates(audit.source), audit.params.device.partition(":")[0]

    def of(self, stage: str) -> dict[str, Callable[..., int]]:
        """Return `mem_mb` and `runtime` of a rule, as functions that Snakemake calls."""
        return {
            "mem_mb": lambda wildcards, attempt, threads: attempt * self.megabytes(stage, wildcards, threads),
            "runtime": lambda wildcards, attempt: attempt * self.minutes(stage, wildcards),
        }

    def megabytes(self, stage: str, wildcards: Any, threads: int = 1) -> int:
        """Return the memory that a job needs, libraries included."""
        if stage in JUDGING:
            return ceil(LIBRARIES_MB + self._judging_mb(stage, wildcards))
        settings, on_cpu = self.audit.params.generate_images, self._device == "cpu"
        copies = COPIES[stage]
        if stage == "generate_images":
            # The files are float32 and pass through memory part by part, so a half-sized model needs more than half.
            copies *= (1 + BYTES[settings.dtype] / 4) / 2
            copies += settings.batch * COPIES_PER_IMAGE * on_cpu
        elif stage in ("complete_weights", "ablate_mask_knowledge"):
            copies += threads * COPIES_PER_THREAD
        elif on_cpu and (stage in TRAINING or self._trains(stage, wildcards)):
            copies += TRAINING_COPIES
        return ceil(LIBRARIES_MB + copies * self._weights_mb)

    def minutes(self, stage: str, wildcards: Any) -> int:
        """Return the time that a job may take."""
        seconds = self._seconds(stage, wildcards)
        return UNKNOWN_MINUTES if seconds is None else ceil(HEADROOM_MINUTES + HEADROOM * seconds / 60)

    @cached_property
    def _weights_mb(self) -> float:
        """Size of the files that `regrow.model.pipelines` reads."""
        folder = data_path(self.audit.world.pipeline)
        found = [path for component in COMPONENTS for path in _weights(folder / component)]
        if found:
            return sum(path.stat().st_size for path in found) / 1e6
        known = self._rates.job_megabytes if self._rates else {}
        return known.get(FETCH, UNFETCHED_MB)

    def _judging_mb(self, stage: str, wildcards: Any) -> float:
        """Return what a judge takes, with a batch, and with the rows that it is asked about."""
        judged = JUDGE_COPIES * self._judge_mb(wildcards.judge) + self.audit.params.score_images.batch * MB_PER_JUDGED
        if stage != "score_images":
            judged += SET_MB
        return judged + (0 if stage == "measure_reference" else MB_PER_ROW * self._rows(stage, wildcards))

    def _judge_mb(self, judge: str) -> float:
        """Size of a judge's files, and of those of the classifier whose features it takes."""
        world, known, found = self.audit.world, self._rates.job_megabytes if self._rates else {}, 0.0
        for folder in filter(None, (judge_folder(world, judge), classifier_beside(world, judge))):
            if folder.is_dir():
                found += sum(path.stat().st_size for path in list_files(folder)) / 1e6
            else:
                found += known.get(f"fetch_world.{folder.name}", UNFETCHED_JUDGE_MB)
        return found

    def _rows(self, stage: str, wildcards: Any) -> int:
        """Return how many rows of all its models a job draws or judges."""
        if stage == "score_sets":
            group = wildcards.prompt_set, wildcards.group
            found = [job for job in jobs_of(self.audit) if (job.prompt_set, job.group) == group]
        else:
            found = [self._job(wildcards)]
        return sum(len(job.cells) * (job.last - job.first) for job in found)

    def _trains(self, stage: str, wildcards: Any) -> bool:
        entry = self.audit.params.erase_concept[wildcards.eraser] if stage == "erase_concept" else None
        return entry is not None and load_method("erase_concept", entry["method"]).KIND == "training"

    def _seconds(self, stage: str, wildcards: Any) -> float | None:
        if self._rates is None:
            return None
        if stage == "generate_images":
            settings, rate = self.audit.params.generate_images, self._rates.image
            seconds = rate.seconds.get(self._device, {}).get(settings.dtype)
            return None if seconds is None else self._rows(stage, wildcards) * seconds * settings.steps / rate.steps
        if stage in ("score_images", "score_sets"):
            seconds = self._rates.judging(wildcards.judge, self._device)
            return None if seconds is None else self._rows(stage, wildcards) * seconds
        known = self._rates.job_seconds
        method = self._method(stage, wildcards)
        found = known.get(f"{stage}.{method}") or known.get(stage) or known.get(OTHER) or {}
        return found.get(self._device, found.get("cpu"))

    def _method(self, stage: str, wildcards: Any) -> str | None:
        if stage not in ENTRIES:
            return None
        return str(getattr(self.audit.params, stage)[getattr(wildcards, ENTRIES[stage])]["method"])


def _weights(folder: Path) -> list[Path]:
    """Return the weights of a component: one file, or its shards; other variants beside them are not read."""
    name = "model" if folder.name == "text_encoder" else "diffusion_pytorch_model"
    single = folder / f"{name}.safetensors"
    return [single] if single.is_file() else sorted(folder.glob(f"{name}-*-of-*.safetensors"))

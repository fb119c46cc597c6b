"""What jobs ask a scheduler for: by the size of the model, its dtype, the rows, and more at each attempt."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.plan.jobs import jobs_of
from regrow.plan.rates import ImageRate, WorldRates
from regrow.plan.resources import (
    COPIES,
    JUDGING,
    LIBRARIES_MB,
    SET_MB,
    UNFETCHED_JUDGE_MB,
    UNFETCHED_MB,
    UNKNOWN_MINUTES,
    JobResources,
)
from tests.unit.planning import PARAMS, ROOT, WORLD, edit, plan, write_planning_world

WILDCARDS = SimpleNamespace(eraser="conceptprune", completer="nuclear", attack="roots_max", defence="none")
PEAK_OF_LOADING_MB = 5040  # Stable Diffusion 1.5 in float32, measured
PEAK_OF_EVALUATING_MB = 1778  # of its 16 matrices, measured: docs/benchmarks.md
PEAKS_OF_JUDGES_MB = {"object": (102, 1011), "clip": (605, 2006)}  # weights and peak: docs/benchmarks.md
RATES = WorldRates(
    image=ImageRate(steps=50, seconds={"cuda": {"float16": 0.8}}, kilobytes=400),
    judge_seconds={"clip": {"cuda": 0.5}, "other": {"cuda": 0.05, "cpu": 0.2}},
    job_seconds={"complete_weights": {"cpu": 60}, "complete_weights.nuclear": {"cpu": 600}, "other": {"cpu": 12}},
    job_megabytes={},
)


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., JobResources]:
    """Return the resources of the tiny world, whose UNet is of a size in megabytes, or not there yet."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("regrow.plan.resources.read_rates", lambda world: RATES)

    def resources(megabytes: float | None, **params: Any) -> JobResources:
        edit(PARAMS, **params)
        if megabytes is None:
            edit(WORLD, pipeline="results/tiny/fetch_world/pipeline")
        else:
            with Path("data/tiny/pipeline/unet/diffusion_pytorch_model.safetensors").open("wb") as stream:
                stream.truncate(int(megabytes * 1e6))  # a hole takes no room on the disk
        audit = plan()
        return JobResources(audit, lambda wildcards: max(jobs_of(audit), key=lambda job: len(job.cells)))

    return resources


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("size", [4270, None], ids=["fetched", "not fetched yet"])
def test_stable_diffusion_gets_what_loading_it_takes(planned, size: float | None, device: str, dtype: str) -> None:
    needs = planned(size, device=device, generate_images__dtype=dtype)
    loading = ("index_world", "erase_concept", "defend_model", "attack_model", "attack_prompts", "generate_images")
    for stage in loading:
        assert needs.megabytes(stage, WILDCARDS) >= max(6000, PEAK_OF_LOADING_MB), stage


def test_evaluating_stable_diffusion_gets_what_its_matrices_take(planned) -> None:
    needs = planned(4270)
    for stage in ("evaluate_recovery", "evaluate_inference", "measure_spectrum", "measure_detectability"):
        assert 1.2 * PEAK_OF_EVALUATING_MB < needs.megabytes(stage, WILDCARDS) < 2 * PEAK_OF_EVALUATING_MB, stage


def test_every_rule_that_goes_to_a_cluster_says_what_it_needs() -> None:
    files = {path for path in (ROOT / "workflow/rules").glob("*.smk") if path.stem != "emoji"}  # made once, by hand
    text = "".join(path.read_text() for path in files)
    rules = re.findall(r"^rule (\w+):\n((?:(?: +.*)?\n)+)", text, re.M)
    assert len(rules) > 25
    assert not [rule for rule, block in rules if "localrule: True" not in block and "**needs.of(" not in block]


def judging(judge: str, group: str = "church", prompt_set: str = "erased") -> SimpleNamespace:
    return SimpleNamespace(judge=judge, prompt_set=prompt_set, group=group, part="0", reference="scenes")


def write_weights(judge: str, megabytes: float) -> None:
    with Path(f"data/tiny/judges/{judge}/model.safetensors").open("wb") as stream:
        stream.truncate(int(megabytes * 1e6))


@pytest.mark.parametrize("judge", PEAKS_OF_JUDGES_MB)
def test_a_judge_gets_what_loading_it_takes(planned, judge: str) -> None:
    needs, (weights, peak) = planned(12), PEAKS_OF_JUDGES_MB[judge]
    write_weights(judge, weights)
    for stage in JUDGING:
        assert 1.3 * peak < needs.megabytes(stage, judging(judge)) < 3 * peak, stage


def test_memory_of_judging_by_weights_batch_rows_and_sets(planned) -> None:
    def megabytes(stage: str = "score_images", **params: Any) -> int:
        return planned(12, **params).megabytes(stage, judging("object"))

    small = megabytes(score_images__batch=10)
    write_weights("object", 300)
    large = megabytes()
    assert large - small == pytest.approx(2 * 300, abs=1)
    assert megabytes(score_images__batch=20) - large == 10 * 20
    assert megabytes("score_sets") - megabytes() == SET_MB
    needs = planned(12)
    many = SimpleNamespace(cells=[0] * 10, first=0, last=2000)
    few = SimpleNamespace(cells=[0], first=0, last=0)
    one, other = (JobResources(needs.audit, lambda _, job=job: job) for job in (many, few))
    difference = [needs.megabytes("score_images", judging("object")) for needs in (one, other)]
    assert difference[0] - difference[1] == 20_000 * 0.005


def test_a_judge_that_is_not_fetched_yet_has_the_size_of_its_rates(planned, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = {"repo": "a/clip", "revision": "0" * 40, "licence": "MIT", "files": {"clip.safetensors": None}}
    origin |= {"judge": {"type": "clip_similarity", "weights": "clip.safetensors"}}
    edit(WORLD, judges__clip="results/tiny/fetch_world/clip", fetch={"clip": origin})
    unknown = planned(12).megabytes("score_images", judging("clip"))
    larger = RATES.model_copy(update={"job_megabytes": {"fetch_world.clip": UNFETCHED_JUDGE_MB + 1000}})
    monkeypatch.setattr("regrow.plan.resources.read_rates", lambda world: larger)
    assert planned(12).megabytes("score_images", judging("clip")) - unknown == 2 * 1000


def test_minutes_of_judging_follow_rows_models_and_the_judge(planned) -> None:
    needs = planned(12, device="cuda")
    more = SimpleNamespace(cells=[0] * 6, first=0, last=2000)
    long = JobResources(needs.audit, lambda wildcards: more)
    assert long.minutes("score_images", judging("object")) == 30 + 3 * 10
    assert long.minutes("score_images", judging("clip")) == 30 + 3 * 100
    # A set is judged in all its parts: 4 rows of each of 6 models, whatever a job of images draws.
    parts = planned(12, generate_images__rows_per_job=1)
    assert parts.minutes("score_sets", judging("clip")) == 30 + 1
    assert parts._rows("score_sets", judging("clip")) == 4 * 6


def test_a_model_that_is_not_fetched_yet_has_the_size_of_its_rates(planned, monkeypatch: pytest.MonkeyPatch) -> None:
    larger = RATES.model_copy(update={"job_megabytes": {"fetch_world.pipeline": 5160}})
    monkeypatch.setattr("regrow.plan.resources.read_rates", lambda world: larger)
    assert planned(4000).megabytes("index_world", WILDCARDS) == LIBRARIES_MB + 1.5 * 4000
    assert planned(None).megabytes("index_world", WILDCARDS) == LIBRARIES_MB + 1.5 * 5160
    monkeypatch.setattr("regrow.plan.resources.read_rates", lambda world: RATES)
    assert planned(None).megabytes("index_world", WILDCARDS) == LIBRARIES_MB + 1.5 * UNFETCHED_MB


def test_the_emoji_world_stays_small(planned) -> None:
    needs = planned(12, generate_images__batch=25)
    for stage in COPIES:
        assert LIBRARIES_MB < needs.megabytes(stage, WILDCARDS, threads=2) < 2000, stage


def test_memory_by_dtype_batch_threads_and_training(planned) -> None:
    half = planned(4000, device="cuda", generate_images__dtype="float16")
    full = planned(4000, device="cuda", generate_images__dtype="float32")
    assert half.megabytes("generate_images", WILDCARDS) == LIBRARIES_MB + 1.5 * 0.75 * 4000
    assert full.megabytes("generate_images", WILDCARDS) == LIBRARIES_MB + 1.5 * 4000
    one = planned(4000, device="cpu", generate_images__batch=1).megabytes("generate_images", WILDCARDS)
    four = planned(4000, device="cpu", generate_images__batch=4).megabytes("generate_images", WILDCARDS)
    assert four - one == 3 * 1000
    cpu, cuda = planned(4000, device="cpu"), planned(4000, device="cuda")
    assert cpu.megabytes("complete_weights", WILDCARDS, threads=8) == LIBRARIES_MB + (0.3 + 8 * 0.15) * 4000
    # The attacker's optimiser is in the memory of the device that trains.
    assert cpu.megabytes("attack_model", WILDCARDS) - cuda.megabytes("attack_model", WILDCARDS) == 4 * 4000


def test_an_eraser_that_trains_needs_what_training_takes(planned, add_method) -> None:
    from regrow.methods import MethodOptions

    def train(pipeline, concept, options, work):
        return {}

    add_method("erase", "train", train, type("Options", (MethodOptions,), {"__doc__": "None."}), KIND="training")
    prunes = planned(4000, device="cpu").megabytes("erase_concept", WILDCARDS)
    trains = planned(4000, erase_concept__trained={"method": "train"})
    assert trains.megabytes("erase_concept", SimpleNamespace(eraser="trained")) - prunes == 4 * 4000
    assert trains.megabytes("erase_concept", WILDCARDS) == prunes


def test_other_variants_beside_the_weights_are_not_read(planned) -> None:
    needs = planned(1000)
    folder = Path("data/tiny/pipeline/unet")
    for name in ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.non_ema.safetensors"):
        with (folder / name).open("wb") as stream:
            stream.truncate(500_000_000)
    assert needs.megabytes("index_world", WILDCARDS) == LIBRARIES_MB + 1.5 * 1000
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    for shard in ("00001", "00002"):
        with (folder / f"diffusion_pytorch_model-{shard}-of-00002.safetensors").open("wb") as stream:
            stream.truncate(700_000_000)
    assert planned_again(needs).megabytes("index_world", WILDCARDS) == LIBRARIES_MB + 1.5 * 1400


def planned_again(needs: JobResources) -> JobResources:
    return JobResources(needs.audit, needs._job)


def test_minutes_follow_rows_models_and_steps(planned) -> None:
    needs = planned(4000, device="cuda", generate_images__dtype="float16", generate_images__steps=25)
    job = max(jobs_of(needs.audit), key=lambda job: len(job.cells))
    images = len(job.cells) * (job.last - job.first)
    assert images == 24
    assert needs.minutes("generate_images", WILDCARDS) == 31  # 30 and 3 x 24 x 0.4 s
    more = SimpleNamespace(cells=[0] * 6, first=0, last=2000)
    assert JobResources(needs.audit, lambda wildcards: more).minutes("generate_images", WILDCARDS) == 30 + 3 * 80
    assert needs.minutes("complete_weights", WILDCARDS) == 30 + 3 * 10
    assert needs.minutes("complete_weights", SimpleNamespace(completer="gaussian_posterior")) == 30 + 3 * 1
    assert needs.minutes("index_world", WILDCARDS) == 31


def test_what_nobody_timed_gets_a_working_day(planned, monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned(4000, device="cpu").minutes("generate_images", WILDCARDS) == UNKNOWN_MINUTES
    monkeypatch.setattr("regrow.plan.resources.read_rates", lambda world: None)
    assert planned(4000).minutes("generate_images", WILDCARDS) == UNKNOWN_MINUTES


def test_another_attempt_gets_more_of_both(planned) -> None:
    rule = planned(4000).of("complete_weights")
    memory = [rule["mem_mb"](wildcards=WILDCARDS, attempt=attempt, threads=1) for attempt in (1, 2, 3)]
    minutes = [rule["runtime"](wildcards=WILDCARDS, attempt=attempt) for attempt in (1, 2, 3)]
    assert memory == [memory[0], 2 * memory[0], 3 * memory[0]]
    assert minutes == [minutes[0], 2 * minutes[0], 3 * minutes[0]]

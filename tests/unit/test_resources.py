"""What jobs ask a scheduler for: by the size of the model, its dtype, the rows, and more at each attempt."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.plan.jobs import jobs_of
from regrow.plan.rates import ImageRate, WorldRates
from regrow.plan.resources import COPIES, LIBRARIES_MB, UNFETCHED_MB, UNKNOWN_MINUTES, JobResources
from tests.unit.planning import PARAMS, WORLD, edit, plan, write_planning_world

WILDCARDS = SimpleNamespace(eraser="conceptprune", completer="nuclear", attack="roots_max", defence="none")
PEAK_OF_LOADING_MB = 5040  # Stable Diffusion 1.5 in float32, measured
RATES = WorldRates(
    image=ImageRate(steps=50, seconds={"cuda": {"float16": 0.8}}, kilobytes=400),
    judge_seconds={},
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

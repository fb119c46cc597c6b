"""What an audit costs before its first job: by table, by rates or by finished jobs, and for the papers' own counts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regrow.config.layers import resolve
from regrow.config.reader import read_yaml
from regrow.errors import UserError
from regrow.plan import prices as prices_module
from regrow.plan import refusals
from regrow.plan.audit import Audit
from regrow.plan.cost import Cost, cost, cost_of_jobs, costs
from regrow.plan.finished import log_of
from regrow.plan.preview import before_a_run, preview
from regrow.plan.prices import ON_DEVICE, Prices, Seconds
from regrow.plan.products import products_of
from regrow.plan.rates import read_rates
from tests.unit.planning import AUDIT, ROOT, WORLD, edit, plan, write_planning_world, write_prompts, write_yaml
from tests.unit.searching import SEARCH

RATES = "config/rates.yaml"


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


def everything() -> Cost:
    return cost(plan(), Prices(plan()))


def finish(output: str, seconds: float, last: str, command: str) -> None:
    """Write what Snakemake leaves of a finished job."""
    path = Path(output)
    for suffix, text in ((".tsv", f"s\th:m:s\n{seconds}\t0:00:01\n"), (".log", f"loading\n{last}\n")):
        log_of(path, suffix).parent.mkdir(parents=True, exist_ok=True)
        log_of(path, suffix).write_text(text)
    record = refusals.record_of(path, "metadata")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"shellcmd": command}))


def draw(group: str, seconds: float, images: int, device: str = "cpu", steps: int = 2) -> None:
    sampler, numerics = json.dumps({"steps": steps, "guidance": 3.0}), json.dumps({"dtype": "float32", "tiling": False})
    output = f"results/tiny/generate_images/tiny/erased/{group}/0.parquet"
    command = f"python -m regrow generate_images --sampler '{sampler}' --numerics '{numerics}' --device {device}"
    finish(output, seconds, f"{output}: 24 rows, {images} images drawn", command)


class TestCounts:
    def test_rows_and_distinct_images(self):
        # 6 models x 2 concepts x 4 rows, and 5 x 2 x 4 with the pretrained model's 6.
        assert everything().rows == everything().images == 94
        rows = [("an emoji of a church", 0, "church")] * 3 + [("a church", 1, "church")] * 9
        write_prompts(Path("data/tiny/concepts/church/erased.csv"), rows)
        assert (everything().rows, everything().images) == (94, 94 - 6 * 2)

    def test_each_table_by_itself(self):
        found = costs(plan(), Prices(plan()))
        assert found["roots/table6"].images == 0
        assert found["roots/figure2"].images == 48
        assert found["roots/table1"].cells == 23
        # index_world, 2 x (erase, publish, 2 x (complete, evaluate)), the table and its figure
        assert found["roots/table6"].jobs == 1 + 2 * 6 + 2

    def test_a_table_alone_needs_no_more_than_all_together(self):
        every = set(products_of(plan()))
        for table in plan().tables:
            assert set(products_of(plan(), [table])) <= every


class TestRates:
    def test_minutes_and_gigabytes(self):
        found = everything()
        images, judged = 94 * 0.6, (48 + 46 + 46 + 48) * 0.1
        assert found.seconds.gpu == 0
        assert found.seconds.cpu > images + judged - 48 * 0.1
        assert found.gigabytes == pytest.approx(94 * 4e-6 + (2 * 1 + 6 * 2) / 1e3)

    def test_time_is_proportional_to_steps(self):
        once = Prices(plan()).images(100).cpu
        edit("params.yaml", generate_images__steps=4)
        assert once == pytest.approx(60) and Prices(plan()).images(100).cpu == pytest.approx(120)

    def test_a_device_without_a_rate_is_not_guessed(self):
        edit("params.yaml", device="cuda:1")
        found = everything()
        assert found.seconds.gpu is None and found.seconds.cpu is not None
        assert "no rate of float32 on cuda in world 'tiny'" in preview()
        edit(RATES, worlds__tiny__image__seconds={"cuda": {"float32": 0.1}})
        assert Prices(plan()).images(10).gpu == pytest.approx(1)

    def test_a_world_without_rates_has_question_marks(self):
        edit(RATES, worlds={})
        assert (everything().seconds.cpu, everything().gigabytes) == (None, None)
        assert next(line for line in preview().splitlines() if line.startswith("all together")).split()[-3:] == [
            *("0.00", "?", "?")
        ]

    def test_a_method_has_a_rate_of_its_own(self):
        output = Path("results/tiny/complete_weights/pruned/nuclear/church/completed.safetensors")
        other = Path("results/tiny/complete_weights/pruned/gaussian_posterior/church/completed.safetensors")
        assert Prices(plan()).jobs([output]).cpu == 20 and Prices(plan()).jobs([other]).cpu == 4

    def test_a_wrong_file_is_one_sentence(self):
        edit(RATES, worlds__tiny__image__secnds={})
        with pytest.raises(UserError, match=r"config/rates.yaml: unknown key 'secnds' .* did you mean 'seconds'"):
            Prices(plan())

    def test_the_shipped_file_is_read(self, monkeypatch):
        Path(RATES).unlink()
        assert {*read_yaml(ROOT / RATES)["worlds"]} >= {path.stem for path in (ROOT / "config/worlds").glob("*.yaml")}
        assert Prices(plan()).rates is None  # the repository's file does not know this world

    def test_stages_on_a_device_are_those_whose_rules_take_one(self):
        blocks = [
            block for path in (ROOT / "workflow/rules").glob("*.smk") for block in path.read_text().split("\nrule ")
        ]
        found = {block.partition(":")[0] for block in blocks if "--device {resources.device}" in block}
        assert found - {"report_world", "survey_concepts"} == {*ON_DEVICE}


class TestImagesOfAttacks:
    """2 + 2 x 4 x (2 + 2) + 2 + 3 x 2 x 2 images of 2 steps, as config/rates.yaml has them: 0.6 s each on the CPU."""

    COUNT = 48
    OUTPUT = Path("results/tiny/attack_model/pruned/searched/church/model.safetensors")

    @pytest.fixture(autouse=True)
    def search(self, world):
        clip = Path("data/tiny/attack_clip")
        clip.mkdir()
        write_yaml(clip / "judge.yaml", {"type": "clip_similarity", "weights": "model.safetensors"})
        (clip / "model.safetensors").write_text("its own")
        edit(WORLD, attack_clip=clip.as_posix())
        entry = {"method": "search", "completer": "gaussian_posterior", **SEARCH}
        edit("params.yaml", attack_model__searched=entry)
        edit(AUDIT, attacks=["searched"])

    def test_they_are_part_of_the_cost(self):
        prices = Prices(plan())
        assert prices.drawn_by("searched") == (self.COUNT, Seconds(cpu=pytest.approx(self.COUNT * 0.6)))
        assert prices.jobs([self.OUTPUT]).cpu == pytest.approx(self.COUNT * 0.6 + 4)
        edit("params.yaml", attack_model__searched__steps=4)
        assert Prices(plan()).drawn_by("searched")[1].cpu == pytest.approx(self.COUNT * 1.2)

    def test_they_are_drawn_in_float32_whatever_tables_are_drawn_in(self):
        edit("params.yaml", generate_images__dtype="float16", generate_images__steps=4)
        assert Prices(plan()).drawn_by("searched")[1].cpu == pytest.approx(self.COUNT * 0.6)

    def test_what_a_job_took_has_them_in_it(self):
        record = str(self.OUTPUT.with_name("record.json"))  # of the outputs of a job the last one stands for it
        finish(record, 50, "done", "python -m regrow attack_model --device cpu")
        assert Prices(plan()).jobs([self.OUTPUT]).cpu == 50

    def test_the_plan_says_them(self):
        said = "searched draws 48 images of 2 steps for itself, 0.48 minutes per model."
        assert said in preview().splitlines()
        edit("params.yaml", device="cuda")
        assert "searched draws 48 images of 2 steps for itself, ? minutes per model." in preview().splitlines()


class TestFinishedJobs:
    def test_what_jobs_took_counts_instead_of_a_rate(self):
        draw("church", seconds=24, images=24)
        draw("rocket", seconds=8, images=8)
        assert Prices(plan()).images(10).cpu == pytest.approx(10)
        assert Prices(plan()).source == "Hours by what 2 drawing jobs took here: 1 s per image."

    @pytest.mark.parametrize("other", [{"device": "cuda"}, {"steps": 20}, {"images": 0}])
    def test_jobs_of_another_device_or_sampler_do_not_count(self, other):
        draw("church", **{"seconds": 24, "images": 24, **other})
        assert Prices(plan()).images(10).cpu == pytest.approx(6)

    def test_a_stage_takes_the_median_of_its_method(self):
        for concept, seconds in (("church", 10.0), ("rocket", 30.0), ("cat", 50.0)):
            output = f"results/tiny/erase_concept/conceptprune/{concept}/erased.safetensors"
            finish(output, seconds, "done", "python -m regrow erase_concept --device cpu")
        assert Prices(plan()).jobs([Path(output)]).cpu == 30

    def test_a_judge_by_its_name(self):
        output = "results/tiny/score_images/tiny/object/erased/church/0.parquet"
        finish(output, 12, f"{output}: 24 rows, 24 images judged", "python -m regrow score_images --device cpu")
        assert Prices(plan()).judged("object", 10).cpu == pytest.approx(5)
        assert Prices(plan()).judged("clip", 10).cpu == pytest.approx(1)

    def test_a_benchmark_that_cannot_be_read_is_none(self):
        draw("church", seconds=24, images=24)
        path = Path("results/tiny/generate_images/tiny/erased/church/0.parquet")
        log_of(path, ".tsv").write_text("s\n-\n")
        assert Prices(plan()).images(10).cpu == pytest.approx(6)

    def test_logs_lie_where_the_rules_write_them(self):
        assert log_of(Path("results/w/index_world/world.json"), ".log") == Path("logs/index_world/w.log")
        assert log_of(Path("results/w/erase_concept/a/c/erased.safetensors"), ".tsv") == Path(
            "logs/erase_concept/w/a/c.tsv"
        )
        assert log_of(Path("results/w/score_images/a/j/p/g/0.parquet"), ".log") == Path(
            "logs/score_images/w/a/j/p/g/0.log"
        )


class TestPrinting:
    def test_the_plan_that_is_printed(self):
        edit(WORLD, params={"generate_images": {"guidance": 5.0}})
        text = preview()
        assert f"{WORLD}  generate_images.guidance" in text
        assert "6 models of each of 2 concepts" in text
        (line,) = [line for line in text.splitlines() if line.startswith("all together")]
        assert line.split()[2:5] == ["23", "94", "94"]

    def test_before_a_run_come_the_same_lines_and_what_is_left(self):
        index = Path("results/tiny/generate_images/tiny/preserved/pretrained/0.parquet")
        text = before_a_run(plan(), [index, Path("elsewhere/copy.json")])
        assert text.splitlines()[:-1] == preview().split("\n\n")[-1].splitlines()
        assert text.splitlines()[-1].startswith("To do now: 1 jobs, at most 4 images, 0.00 GPU hours,")

    def test_what_is_left_of_everything_is_everything(self):
        audit, prices = plan(), Prices(plan())
        left = cost_of_jobs(audit, prices, prices_module.jobs_making(products_of(audit)))
        assert (left.rows, left.images) == (94, 94)


class TestStableDiffusion:
    """The published counts, planned with nothing fetched."""

    @pytest.fixture
    def audit(self, tmp_path_factory, monkeypatch) -> Audit:
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        params = ROOT / "params.yaml"
        return Audit(resolve({**read_yaml(params), "audit": "sd15"}, [params]))

    def test_images_as_published(self, audit):
        """The paper's tables: 12 x 6 x 500 erased, 12 x 5 x 6000 preserved and all 6,500 by the pretrained model."""
        rows = {table: of.rows for table, of in costs(audit, Prices(audit)).items()}
        assert rows["roots/table1"] == 12 * 6 * 500 + 12 * 5 * 6000 + 6500
        # Four classes by 5 K and 3 magnitudes, with the two models that are never attacked.
        assert rows["roots/table3"] == 4 * (2 + 5 * 3) * 500
        # Beyond Table 1, whose K is 0.6: 24,000 of Tables 3 and 8 to 10, four oracles of one class of Figure 2, six
        # sizes of noise for one class in Figure 6, and in Table 12 the same for all twelve and two attacks on each.
        whole = cost(audit, Prices(audit))
        beyond = 4 * 4 * 3 * 500 + 4 * 500 + 6 * (500 + 6000) + 12 * 6 * 3 * 500 - 6 * 500
        # Table 4: two more erasers of all twelve, and the attack on each, which alone draws the preserved classes too.
        beyond += 2 * 12 * (2 * 500 + 6000)
        assert whole.rows - rows["roots/table1"] == beyond
        # The paper's file has 6,340 distinct rows of 6,500, in every cell of preserved prompts fewer than 6,000.
        assert whole.images == 722_369

    @pytest.mark.skipif(
        "not __import__('os').environ.get('REGROW_PAPER_FILES')", reason="REGROW_PAPER_FILES names none"
    )
    @pytest.mark.paper_files
    def test_the_same_with_the_papers_own_file(self, audit):
        before = cost(audit, Prices(audit))
        file = Path("results/sd15/fetch_prompts/imagenette.csv")
        file.parent.mkdir(parents=True)
        file.symlink_to(Path(os.environ["REGROW_PAPER_FILES"], "imagenette.csv").resolve())
        there = Audit(audit.config)
        after = cost(there, Prices(there))
        assert (after.rows, after.images, after.jobs) == (before.rows, before.images, before.jobs)

    def test_a_gpu_takes_days_and_the_images_most_of_the_disk(self, audit):
        found = cost(audit, Prices(audit))
        assert found.images * 0.7 < found.seconds.gpu < found.images * 0.8
        assert found.images * 405e-6 < found.gigabytes < found.images * 700e-6

    @pytest.mark.parametrize("world", ["sd15", "sd14", "sd21_base", "sd21"])
    @pytest.mark.parametrize("eraser", ["salun", "scissorhands"])
    def test_an_eraser_that_draws_costs_more_than_its_images(self, audit, eraser, world):
        entry, rates = audit.params.erase_concept[eraser], read_rates(world)
        for device, seconds in rates.image.seconds.items():
            drawn = entry["images"] * entry["steps"] * seconds["float32"] / rates.image.steps
            assert drawn < rates.job_seconds[f"erase_concept.{eraser}"][device] < 2 * drawn, device
        if world == "sd15":
            output = Path(f"results/sd15/erase_concept/{eraser}/church/erased.safetensors")
            assert Prices(audit).jobs([output]).gpu == rates.job_seconds[f"erase_concept.{eraser}"]["cuda"]

    @pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc, which Linux has")
    def test_planned_in_seconds_in_little_memory_with_few_jobs(self, audit):
        shutil.copy(ROOT / "params.yaml", ".")
        # Its own kilobytes: `ru_maxrss` of a child begins with that of the process that started it.
        code = (
            "import sys, time; from regrow import cli; cli.run(['plan', '--audit', 'sd15']);"
            "line = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'));"
            "print(time.process_time(), line.split()[1], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        seconds, kilobytes = map(float, done.stderr.split()[-2:])
        assert seconds < 20 and kilobytes < 1_000_000
        text = done.stdout
        line = next(line for line in text.splitlines() if line.startswith("all together")).split()
        assert int(line[5].replace(",", "")) <= 3000
        assert "?" not in line

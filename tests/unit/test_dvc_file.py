"""Each dvc.yaml names every result of its world once, and every param that decides one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from regrow.adopt import record_of
from regrow.config.schema import Params
from regrow.plan.paths import RESULTS

ROOT = Path(__file__).parents[2]
# Rules of what no recorded audit uses, and of what is no result of params.
UNUSED = {"attack_model", "attack_prompts", "score_sets", "judge_in_memory", "index_control", "cut_control"}
UNUSED |= {"fetch_world", "fetch_prompts", "fetch_reference", "measure_reference"}
IN_GIT = {"emoji", "sd15"}  # the audits whose tables git keeps


class Record:
    """A dvc.yaml; world and audit have the same name."""

    def __init__(self, world: str, file: str) -> None:
        self.world, self.file = world, file
        self.content = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
        self.stages = self.content["stages"]
        self.made, self.tables = self.stages[world], self.stages[f"{world}_tables"]
        self.outs = [out for stage in self.stages.values() for out in [*stage["outs"], *stage.get("metrics", [])]]
        self.paths = [path for out in self.outs for path in out]


RECORDS = {"emoji": Record("emoji", "dvc.yaml"), "sd15": Record("sd15", "dvc/sd15/dvc.yaml")}


@pytest.fixture(params=RECORDS)
def record(request) -> Record:
    return RECORDS[request.param]


def test_every_param_of_a_result_is_one_of_the_worlds_stage(record):
    pages = {"audit", "make_table", "make_figure"}
    assert set(record.made["params"]) == set(Params.model_fields) - pages
    assert "config/not_yet.yaml" in record.tables["deps"]  # the reasons of blanks
    assert record.tables["params"] == [{"params.yaml": None}]


def test_all_code_and_the_files_of_one_world_are_dependencies_of_every_stage(record):
    own = {f"config/{kind}/{record.world}.yaml" for kind in ("worlds", "audits")}
    for name, stage in record.stages.items():
        deps = set(stage["deps"])
        assert {"Snakefile", "workflow", "envs", *own} <= deps, name
        assert {path for path in deps if path.startswith("config")} - {"config/not_yet.yaml"} == own, name
        assert all((ROOT / path).exists() for path in deps if not path.startswith("results/")), name


def test_every_result_of_a_recorded_audit_is_owned_once(record):
    rules = [path for path in (ROOT / "workflow/rules").glob("*.smk") if path.name != "emoji.smk"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in rules)
    made = {name for name in re.findall(r'"results/\{world\}/(\w+)/', text)} - UNUSED
    owned = [Path(path) for path in record.paths]
    for stage in made:
        assert [path for path in owned if path.is_relative_to(RESULTS / record.world / stage)], stage
    for path in owned:
        assert not [other for other in owned if other != path and other.is_relative_to(path)], path


def test_the_tables_stage_waits_for_all_that_tables_read(record):
    deps = {Path(path) for path in record.tables["deps"]}
    unread = ("index_world", "erase_concept", "defend_model", "complete_weights", "store", "store/scores")
    assert {Path(path) for path in record.paths if "/audits/" not in path} - deps <= {
        RESULTS / record.world / name for name in unread
    }


def test_nothing_that_is_kept_in_git_is_cached_and_nothing_is_deleted_before_a_run(record):
    for out in record.outs:
        for path, settings in out.items():
            assert settings["persist"] is True, path
            assert (settings.get("cache") is False) == ("/audits/" in path), path


def test_no_image_and_no_base_model_of_stable_diffusion_is_an_out():
    for path in RECORDS["sd15"].paths:
        for never in ("store/images", "fetch_world", "fetch_prompts", "work"):
            folder = RESULTS / "sd15" / never
            assert not folder.is_relative_to(path) and not Path(path).is_relative_to(folder), path


def test_a_record_of_its_own_lies_where_adopt_looks_and_runs_in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)
    for world, found in RECORDS.items():
        assert record_of(world) == found.file
    assert {stage["wdir"] for stage in RECORDS["sd15"].stages.values()} == {"../.."}
    assert not any("wdir" in stage for stage in RECORDS["emoji"].stages.values())


def test_both_records_run_the_same_commands():
    """But for the world, and the images that are an out of the small one only."""
    one, other = (
        str([stage["cmd"] for stage in record.stages.values()]).replace(record.world, "WORLD")
        for record in RECORDS.values()
    )
    assert one == other.replace("store/scores", "store")


def test_a_plot_is_a_figure_of_the_recorded_audit():
    tables = yaml.safe_load((ROOT / "config/audits/emoji.yaml").read_text(encoding="utf-8"))["tables"]
    for path in RECORDS["emoji"].content["plots"]:
        assert path.removeprefix("results/audits/emoji/figures/").removesuffix(".png") in tables


def test_git_keeps_the_recorded_audits_and_no_other(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "--quiet"], check=True, **run)
    kept = [f"results/audits/{audit}/tables/roots/table1.csv" for audit in sorted(IN_GIT)]
    others = ["results/audits/demo/report.html", "results/audits/sd15_rehearsal/report.html", "logs/a.log"]
    others += ["results/emoji/index_world/world.json", "results/sd15/fetch_world/pipeline.json", ".snakemake/a"]
    for name in [*kept, *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    done = subprocess.run(["git", "status", "--porcelain", "--untracked-files=all"], check=True, **run)
    assert [line[3:] for line in done.stdout.splitlines()] == [".gitignore", *kept]

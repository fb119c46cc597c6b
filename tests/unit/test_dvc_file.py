"""dvc.yaml names every result once, and every param that decides one."""

import re
from pathlib import Path

import yaml

from regrow.config.schema import Params
from regrow.plan.paths import RESULTS

ROOT = Path(__file__).parents[2]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = DVC["stages"]
OUTS = [path for stage in STAGES.values() for out in [*stage["outs"], *stage.get("metrics", [])] for path in out]
# Rules of what no recorded audit uses, and of what is no result of params.
UNUSED = {"defend_model", "attack_model", "attack_prompts", "score_sets", "fetch_world", "fetch_prompts"}


def test_every_param_of_a_result_is_one_of_the_worlds_stage():
    pages = {"audit", "make_table", "make_figure"}
    assert set(STAGES["emoji"]["params"]) == set(Params.model_fields) - pages
    assert STAGES["emoji_tables"]["params"] == [{"params.yaml": None}]


def test_all_code_is_a_dependency_of_every_stage():
    for name, stage in STAGES.items():
        assert {"Snakefile", "workflow", "envs", "config"} <= set(stage["deps"]), name


def test_every_result_of_a_recorded_audit_is_owned_once():
    rules = [path for path in (ROOT / "workflow/rules").glob("*.smk") if path.name != "emoji.smk"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in rules)
    made = {name for name in re.findall(r'"results/\{world\}/(\w+)/', text)} - UNUSED
    owned = [Path(path) for path in OUTS]
    for stage in made:
        assert [path for path in owned if path.is_relative_to(RESULTS / "emoji" / stage)], stage
    for path in owned:
        assert not [other for other in owned if other != path and other.is_relative_to(path)], path


def test_the_tables_stage_waits_for_all_that_tables_read():
    deps = {Path(path) for path in STAGES["emoji_tables"]["deps"]}
    assert {Path(path) for path in OUTS if "/audits/" not in path} - deps == {
        RESULTS / "emoji" / name for name in ("index_world", "erase_concept", "complete_weights", "store")
    }


def test_nothing_that_is_kept_in_git_is_cached_and_nothing_is_deleted_before_a_run():
    for stage in STAGES.values():
        for out in [*stage["outs"], *stage.get("metrics", [])]:
            for path, settings in out.items():
                assert settings["persist"] is True, path
                assert (settings.get("cache") is False) == ("/audits/" in path), path


def test_a_plot_is_a_figure_of_the_recorded_audit():
    tables = yaml.safe_load((ROOT / "config/audits/emoji.yaml").read_text(encoding="utf-8"))["tables"]
    for path in DVC["plots"]:
        assert path.removeprefix("results/audits/emoji/figures/").removesuffix(".png") in tables


def test_git_keeps_the_recorded_audit_and_no_other(tmp_path):
    import os
    import shutil
    import subprocess

    shutil.copy(ROOT / ".gitignore", tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "--quiet"], check=True, **run)
    files = ["results/audits/emoji/tables/roots/table1.csv", "results/audits/demo/report.html", "logs/a.log"]
    files += ["results/emoji/index_world/world.json", ".snakemake/a"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    done = subprocess.run(["git", "status", "--porcelain", "--untracked-files=all"], check=True, **run)
    assert done.stdout.split() == ["??", ".gitignore", "??", files[0]]

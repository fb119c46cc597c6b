"""DVC keeps the record: it agrees with Snakemake after every step."""

import shutil
import sys

import pytest

from tests.workflow.conftest import NOTHING, Copy

pytestmark = pytest.mark.xdist_group("workflow")


def test_repro_leaves_nothing_to_do_for_either_tool(copy):
    assert "Data and pipelines are up to date." in copy.dvc("repro")
    assert copy.dvc("status", "--json").strip() == "{}"
    assert NOTHING in copy.snakemake("--dry-run")
    assert copy.git("status", "--porcelain").strip() == ""


def test_the_record_and_the_paper_are_in_git_and_the_rest_is_not(finished):
    tracked = set(finished.git("ls-files").split())
    assert {"dvc.lock", "results/paper/metrics.json", "results/paper/tables/table1.csv"} <= tracked
    assert not {name for name in tracked if name.startswith("results/") and not name.startswith("results/paper/")}


def test_metrics_diff_compares_two_runs(copy):
    copy.edit_params(make_tables__confidence=0.5)
    copy.dvc("repro")
    assert "results/paper/metrics.json" in copy.dvc("metrics", "diff", "--all")
    assert "make_tables.confidence" in copy.dvc("params", "diff")


def test_a_run_without_revivers_and_oracles_is_recorded_too(copy):
    copy.edit_params(run=["pruned"])
    for stage in ("complete_weights", "revive_concept", "consult_oracle", "compare_both_sides"):
        shutil.rmtree(copy.folder / "results" / stage)
    copy.dvc("repro")
    assert copy.dvc("status", "--json").strip() == "{}"


def test_a_code_edit_is_seen_by_both_tools(copy):
    copy.append("workflow/regrow/paper/table1.py")
    assert "paper" in copy.dvc("status")
    assert "make_tables" in copy.planned()


def test_adopt_takes_over_a_fresh_clone_and_refuses_an_edited_one(copy, tmp_path):
    copy.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Copy(tmp_path / "clone")
    clone.dvc("config", "--local", "cache.dir", str(copy.folder / ".dvc/cache"))
    assert "dvc status is not clean" in clone.run(sys.executable, "-m", "regrow", "adopt", fails=True)
    clone.dvc("checkout")
    clone.run(sys.executable, "-m", "regrow", "adopt")
    assert NOTHING in clone.snakemake("--dry-run")
    clone.edit_params(make_tables__confidence=0.5)
    assert set(clone.planned()) == {"make_tables", "make_figures", "make_report", "all"}
    assert "dvc status is not clean" in clone.run(sys.executable, "-m", "regrow", "adopt", fails=True)

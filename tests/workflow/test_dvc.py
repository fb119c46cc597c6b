"""DVC keeps the record: it agrees with Snakemake after every step."""

import shutil

import pytest

from tests.workflow.conftest import FEW, NOTHING, Copy


@pytest.fixture
def clone(copy, tmp_path) -> Copy:
    """A clone of the recorded run, filled by DVC, in which Snakemake never ran."""
    copy.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    found = Copy(tmp_path / "clone", copy.commands)
    found.dvc("config", "--local", "cache.dir", str(copy.folder / ".dvc/cache"))
    found.dvc("checkout", "dvc.yaml")  # what other worlds record was made nowhere
    return found


def test_repro_leaves_nothing_to_do_for_either_tool(copy):
    assert "Data and pipelines are up to date." in copy.dvc("repro")
    assert copy.dvc("status", "--json", "dvc.yaml").strip() == "{}"
    assert NOTHING in copy.snakemake("--dry-run")
    assert copy.git("status", "--porcelain").strip() == ""


def test_the_record_and_its_tables_are_in_git_and_the_rest_is_not(finished):
    tracked = set(finished.git("ls-files").split())
    folder = "results/audits/tiny"
    assert {
        "dvc.lock",
        f"{folder}/metrics.json",
        f"{folder}/report.html",
        f"{folder}/tables/roots/table1.csv",
    } <= tracked
    assert not {name for name in tracked if name.startswith("results/") and not name.startswith(folder)}


def test_metrics_diff_compares_two_runs(copy):
    copy.edit_audit(tables=FEW)
    copy.edit_params(make_table__level=0.5)
    copy.dvc("repro")
    assert "results/audits/tiny/metrics.json" in copy.dvc("metrics", "diff", "--all")
    assert "make_table.level" in copy.dvc("params", "diff")


def test_an_audit_without_attacks_and_oracles_is_recorded_too(copy):
    copy.edit_audit(attacks=[], oracles=[], tables=["roots/table1"])
    for stage in ("complete_weights", "attack_weights", "apply_oracle", "evaluate_recovery"):
        shutil.rmtree(copy.folder / "results/tiny" / stage)
    copy.dvc("repro")
    assert copy.dvc("status", "--json", "dvc.yaml").strip() == "{}"


def test_a_code_edit_is_seen_by_both_tools(copy):
    copy.append("workflow/regrow/tables/roots/table1.py", "\n_EDITED = 1\n")
    assert "tiny_tables" in copy.dvc("status")
    assert "make_table" in copy.planned()


def test_what_dvc_brought_is_not_believed_before_it_is_adopted(clone):
    assert "run `regrow adopt` if DVC brought it here" in clone.snakemake("--dry-run", fails=True)
    clone.regrow("adopt")
    assert NOTHING in clone.snakemake("--dry-run")
    clone.edit_params(make_table__level=0.5)
    assert set(clone.planned()) == {"make_table", "make_figure", "make_metrics", "make_report"}
    assert "dvc status dvc.yaml is not clean" in clone.regrow("adopt", fails=True)


def test_params_that_change_before_anything_is_adopted_are_not_forgotten(clone):
    """As in `dvc exp run --temp`, which starts from DVC's files and without Snakemake's records."""
    clone.edit_audit(tables=FEW)
    clone.edit_params(generate_images__guidance=6.0)
    before = clone.tables()
    text = clone.dvc("repro")
    assert "files deleted" in text and "rule erase_concept:" in text
    assert clone.tables()["roots/figure5.csv"] != before["roots/figure5.csv"]
    assert clone.dvc("status", "--json", "dvc.yaml").strip() == "{}"


def test_a_table_alone_makes_no_model_again_before_anything_is_adopted(clone):
    clone.append("workflow/regrow/tables/roots/table6.py", "\n_EDITED = 1\n")
    text = clone.dvc("repro", "--single-item", "tiny_tables")
    assert "rule make_table:" in text and "rule erase_concept:" not in text and "rule generate_images:" not in text

"""Seconds of completing and attacking, read from the files that Snakemake writes beside logs."""

from pathlib import Path

import pytest

from regrow.plan.audit import Audit
from regrow.report.provenance import asked_models
from regrow.report.times import time_lines
from tests.unit.audit_files import Files

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    return Files(audit_changes={"tables": ["roots/table1"]}).configure()


def write(stage: str, entry: str, concept: str, *numbers: object) -> None:
    path = Path(f"logs/{stage}/emoji/pruned/{entry}/{concept}.tsv")
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds, megabytes, cpu = numbers
    path.write_text(f"{HEAD}{seconds}\t0:00:00\t{megabytes}\t1\t1\t1\t1\t1\t1\t{cpu}\n")


def test_by_step_the_median_over_the_models_with_its_range(audit: Audit) -> None:
    write("complete_weights", "nuclear", "church", 100, 600, 150)
    write("complete_weights", "nuclear", "spider-web", 300, 2500, 450)
    write("attack_weights", "roots_max", "church", 4, 500, 4)
    assert time_lines(audit, list(asked_models(audit))) == [
        ("complete_weights: nuclear on pruned", 2, "200 (100 to 300)", "1.5", "2.5 GB"),
        ("attack_weights: roots_max on pruned", 1, "4", "1.0", "0.5 GB"),
    ]


def test_what_was_made_elsewhere_or_in_a_moment_has_no_line(audit: Audit) -> None:
    assert time_lines(audit, list(asked_models(audit))) == []
    write("attack_weights", "int4_rows", "church", 0.1, "NA", "NA")
    Path("logs/attack_weights/emoji/pruned/roots_max").mkdir(parents=True)
    Path("logs/attack_weights/emoji/pruned/roots_max/church.tsv").write_text("")
    assert time_lines(audit, list(asked_models(audit))) == []


def test_an_oracle_is_no_attack_and_is_not_timed(audit: Audit) -> None:
    write("apply_oracle", "true_signs_max", "church", 4, 500, 4)
    assert time_lines(audit, list(asked_models(audit))) == []

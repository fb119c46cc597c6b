"""What goes wrong stops early, says so in one sentence and leaves nothing that looks finished."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import NOTHING, ROOT, Copy, environment

pytestmark = pytest.mark.xdist_group("workflow")

INDEX = "results/tiny/generate_images/tiny/preserved/pretrained/0.parquet"


@pytest.fixture
def unrun(fresh, tmp_path) -> Copy:
    """A copy in which nothing ran yet."""
    return fresh.copied(tmp_path / "repository")


@pytest.mark.parametrize(
    ("file", "changes", "sentence"),
    [
        ("params.yaml", {"generate_images__stepz": 3}, "unknown key 'stepz' in generate_images: did you mean 'steps'?"),
        ("config/audits/tiny.yaml", {"concepts": ["churhc"]}, "unknown concept 'churhc' in audit 'tiny'"),
        ("config/audits/tiny.yaml", {"title": "a {x} b"}, "text with braces"),
        ("params.yaml", {"publish_model__pruned": {"eraser": "concptprune"}}, "did you mean 'conceptprune'?"),
        ("params.yaml", {"erase_concept__conceptprune__calls": 4}, "3 steps make too few UNet calls to look at 4"),
        ("params.yaml", {"attack_weights__roots_auto__rank": "magnitude"}, "attack_weights.roots_auto"),
        ("config/audits/tiny.yaml", {"counts__preserved": 100}, "rows to use where 100 are needed"),
    ],
)
def test_what_would_fail_hours_later_stops_before_the_dag(unrun, file, changes, sentence):
    unrun.edit_yaml(file, **changes)
    text = unrun.snakemake("--dry-run", fails=True)
    assert sentence in text
    assert "Building DAG" not in text and "Traceback" not in text


def test_a_results_folder_of_the_first_edition_stops(unrun):
    (unrun.folder / "results/paper").mkdir(parents=True)
    assert "results/paper is of the first edition" in unrun.snakemake("--dry-run", fails=True)


def test_the_snakefile_of_the_repository_runs_in_another_folder(fresh, tmp_path):
    for part in ("data/tiny", "config"):
        shutil.copytree(fresh.folder / part, tmp_path / part)
    shutil.copy(fresh.folder / "params.yaml", tmp_path)
    plan = fresh.planned("--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path))
    assert len(plan["generate_images"]) == len(plan["score_images"]) == 6


def test_it_is_a_module_of_another_workflow(fresh, tmp_path):
    for part in ("data/tiny", "config"):
        shutil.copytree(fresh.folder / part, tmp_path / part)
    shutil.copy(fresh.folder / "params.yaml", tmp_path / "settings.yaml")
    (tmp_path / "Snakefile").write_text(
        'configfile: "settings.yaml"\n\n'
        f"module regrow:\n    snakefile: {str(fresh.folder / 'Snakefile')!r}\n    config: config\n\n"
        "use rule * from regrow as regrow_*\n\n"
        'rule ours:\n    default_target: True\n    input: "results/tiny/index_world/world.json"\n'
        '    output: "copy.json"\n    shell: "cp {input} {output}"\n'
    )
    outside = Copy(tmp_path)
    assert "regrow_erase_concept" in outside.snakemake("--dry-run", "results/audits/tiny/report.html")
    outside.snakemake()
    assert (tmp_path / "copy.json").is_file()


def test_an_overlay_is_put_on_top(unrun):
    (unrun.folder / "overlay.yaml").write_text("generate_images: {steps: 1}\n")
    unrun.snakemake(INDEX, "--configfile", "overlay.yaml")
    assert unrun.planned(INDEX)["generate_images"] == {INDEX}
    assert NOTHING in unrun.snakemake(INDEX, "--configfile", "overlay.yaml", "--dry-run")


def test_the_callers_environment_neither_breaks_nor_reaches_a_job(unrun, monkeypatch):
    for name, value in {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "GIT_DIR": "/nowhere/.git",
        "PYTHONPATH": "/nowhere",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "results/tiny/index_world/world.json"],
        cwd=unrun.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_expected_cost_is_printed_before_the_first_image(unrun):
    text = unrun.snakemake(INDEX)
    # 4 rows by one model at 100 images per minute.
    assert text.index("To make: at most 4 images, about 0 minutes") < text.index("rule generate_images:")


def test_a_failed_job_leaves_nothing_that_is_called_up_to_date(copy):
    """Guidance changes, the first attempts fail, and the tables are those of the new guidance or the run is red."""
    before = copy.tables()
    copy.edit_params(generate_images__guidance=6.0, device="cuda:7")
    copy.snakemake("--keep-going", fails=True)
    copy.edit_params(device="cpu")
    assert len(copy.planned()["generate_images"]) == 6
    _kill_a_job(copy)
    assert copy.planned()["generate_images"]
    copy.snakemake()
    assert copy.tables()["roots/figure5.csv"] != before["roots/figure5.csv"]
    copy.edit_params(generate_images__guidance=3.0)
    copy.snakemake()
    assert copy.tables() == before


def test_what_a_failed_job_took_away_is_made_again_with_all_that_was_made_of_it(copy):
    """Erasing fails under another option: the published models of the old one look up to date and must not stay."""
    before = copy.tables()
    copy.edit_params(erase_concept__conceptprune__skill_ratio=0.3, device="cuda:7")
    copy.snakemake("--keep-going", fails=True)
    copy.edit_params(device="cpu")
    plan = copy.planned()
    assert len(plan["erase_concept"]) == 3
    copy.snakemake()
    assert copy.tables()["ours/signs.csv"] != before["ours/signs.csv"]
    record = json.loads((copy.folder / "results/tiny/publish_model/pruned/church/record.json").read_text())
    assert record["eraser"]["skill_ratio"] == 0.3
    assert copy.planned() == {}


def _kill_a_job(copy: Copy) -> None:
    """Start a run and kill the first process that draws."""
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=copy.folder,
        env=environment(copy.folder),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        drawing = None
        while drawing is None:
            assert run.poll() is None, "it finished before a job could be killed"
            drawing = next(iter(_children(copy.folder, "generate_images")), None)
            time.sleep(0.02)
        os.kill(drawing, signal.SIGKILL)
        run.wait(timeout=300)
        assert run.returncode != 0
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    copy.snakemake("--unlock")


def _children(folder: Path, verb: str) -> list[int]:
    """Return the processes of a verb that run in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if words[1:4] == [b"-m", b"regrow", verb.encode()] and os.readlink(path / "cwd") == str(folder):
                found.append(int(path.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def test_a_killed_run_is_taken_up_and_gives_the_same_tables(copy):
    tables = copy.tables()
    shutil.rmtree(copy.folder / "results")
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=copy.folder,
        env=environment(copy.folder),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # The store grows while the first job draws.
        while not list((copy.folder / "results").rglob("*.arrow")):
            assert run.poll() is None, "it finished before it could be killed"
            time.sleep(0.02)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    copy.snakemake("--unlock")
    copy.snakemake()
    assert copy.tables() == tables
    assert not list((copy.folder / "results").rglob(".*.tmp"))

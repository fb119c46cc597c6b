"""What goes wrong stops early, says so in one sentence and leaves nothing that looks finished."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.workflow.conftest import ENVIRONMENT, ROOT, Copy

pytestmark = pytest.mark.xdist_group("workflow")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"generate_images__stepz": 3}, "params: unknown key 'stepz' in generate_images: did you mean 'steps'?"),
        ({"concepts": ["churhc"]}, "params: unknown concept 'churhc' in concepts: did you mean 'church'?"),
        (
            {"recipes__pruned": {"eraser": "conceptprun"}},
            "params: unknown eraser 'conceptprun' in recipes.pruned: did you",
        ),
    ],
)
def test_a_misspelt_param_stops_before_the_dag(fresh, tmp_path, changes, sentence):
    shutil.copytree(fresh.folder, tmp_path / "repository", ignore=shutil.ignore_patterns("results", ".snakemake"))
    copy = Copy(tmp_path / "repository")
    copy.edit_params(**changes)
    text = copy.snakemake("--dry-run", fails=True)
    assert sentence in text
    assert "Building DAG" not in text and "Traceback" not in text


def test_the_snakefile_of_the_repository_runs_in_another_folder(fresh, tmp_path):
    shutil.copytree(fresh.folder / "data/tiny", tmp_path / "data/tiny")
    shutil.copy(fresh.folder / "params.yaml", tmp_path)
    plan = fresh.planned("--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path))
    # 3 pretrained files, one of them shared, and 5 recipes x 2 concepts x 2 prompt sets.
    assert len(plan["generate_images"]) == len(plan["score_images"]) == 23


def test_a_failing_stage_shows_its_one_sentence(copy):
    (copy.folder / "data/tiny/concepts/church/erased.csv").write_text("prompt,label\na church,church\n")
    text = copy.snakemake("results/generate_images/tiny/pretrained/church/erased.parquet", fails=True)
    assert "has no column 'seed'" in text
    assert "Traceback" not in text


def test_a_killed_generation_is_taken_up_and_gives_the_same_tables(copy):
    tables = copy.tables()
    pruned = copy.folder / "results/generate_images/tiny/pruned"
    before = {path.relative_to(pruned): path.read_bytes() for path in pruned.rglob("*.parquet")}
    # All that comes after too, for Snakemake does not miss what no missing file needs.
    (copy.folder / "results/report.html").unlink()
    for folder in ("generate_images/tiny/pruned", "score_images/tiny/pruned", "paper"):
        shutil.rmtree(copy.folder / "results" / folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=copy.folder,
        env=ENVIRONMENT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # The interrupted file grows image by image.
        while not list(pruned.rglob(".*.part")):
            assert process.poll() is None, "it finished before it could be killed"
            time.sleep(0.002)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert len(list(pruned.rglob("*.parquet"))) < len(before) == 4
    copy.snakemake("--unlock")
    copy.snakemake()
    after = {path.relative_to(pruned): path.read_bytes() for path in pruned.rglob("*.parquet")}
    assert after == before
    assert copy.tables() == tables
    assert not list(pruned.rglob(".*.part"))


@pytest.mark.parametrize("target", ["results/survey_concepts/tiny/sweep.csv", "results/world_report/tiny/report.json"])
def test_a_target_whose_settings_are_missing_says_so(copy, target):
    said = copy.snakemake("--dry-run", target, fails=True)
    assert "params: the section train_world is missing, which this target needs: add it" in said

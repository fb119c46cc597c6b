"""What goes wrong stops early, says so in one sentence and leaves nothing that looks finished."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import FEW, NOTHING, OWN_COMMANDS, ROOT, Copy, environment

INDEX = "results/tiny/generate_images/tiny/preserved/pretrained/0.parquet"
WORLD = "results/tiny/index_world/world.json"


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
def test_what_would_fail_hours_later_stops_before_the_dag(new, file, changes, sentence):
    new.edit_yaml(file, **changes)
    text = new.snakemake("--dry-run", fails=True)
    assert sentence in text
    assert "Building DAG" not in text and "Traceback" not in text


def test_a_results_folder_of_the_first_edition_stops(new):
    (new.folder / "results/paper").mkdir(parents=True)
    assert "results/paper is of the first edition" in new.snakemake("--dry-run", fails=True)


def test_the_snakefile_of_the_repository_runs_in_another_folder(unrun, tmp_path):
    for part in ("data/tiny", "config"):
        shutil.copytree(unrun.folder / part, tmp_path / part)
    shutil.copy(unrun.folder / "params.yaml", tmp_path)
    plan = unrun.planned("--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path))
    assert len(plan["generate_images"]) == len(plan["score_images"]) == 6


def test_it_is_a_module_of_another_workflow(unrun, tmp_path):
    for part in ("data/tiny", "config"):
        shutil.copytree(unrun.folder / part, tmp_path / part)
    shutil.copy(unrun.folder / "params.yaml", tmp_path / "settings.yaml")
    (tmp_path / "Snakefile").write_text(
        'configfile: "settings.yaml"\n\n'
        f"module regrow:\n    snakefile: {str(unrun.folder / 'Snakefile')!r}\n    config: config\n\n"
        "use rule * from regrow as regrow_*\n\n"
        'rule ours:\n    default_target: True\n    input: "results/tiny/index_world/world.json"\n'
        '    output: "copy.json"\n    shell: "cp {input} {output}"\n'
    )
    outside = Copy(tmp_path, unrun.commands)
    assert "regrow_erase_concept" in outside.snakemake("--dry-run", "results/audits/tiny/report.html")
    outside.snakemake()
    assert (tmp_path / "copy.json").is_file()


def test_an_overlay_is_put_on_top_and_the_expected_cost_is_printed_before_the_first_image(new):
    (new.folder / "overlay.yaml").write_text("generate_images: {steps: 1}\n")
    text = new.snakemake(INDEX, "--configfile", "overlay.yaml")
    assert "\nroots/table1 " in text  # the price of each table
    assert text.index("To do now: 2 jobs, at most 2 images") < text.index("rule generate_images:")
    assert new.planned(INDEX)["generate_images"] == {INDEX}
    assert NOTHING in new.snakemake(INDEX, "--configfile", "overlay.yaml", "--dry-run")


def test_the_callers_environment_neither_breaks_nor_reaches_a_job(fresh, tmp_path, monkeypatch):
    for name, value in {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "GIT_DIR": "/nowhere/.git",
        "PYTHONPATH": "/nowhere",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }.items():
        monkeypatch.setenv(name, value)
    copy = fresh.copied(tmp_path / "repository")
    command = [str(OWN_COMMANDS / "snakemake"), "--cores", "1", WORLD]
    done = subprocess.run(command, cwd=copy.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_failed_job_leaves_nothing_that_is_called_up_to_date(copy):
    """Guidance changes, the first attempts fail, and the tables are those of the new guidance or the run is red."""
    copy.edit_audit(tables=FEW)
    before = copy.tables(*FEW)
    copy.edit_params(generate_images__guidance=6.0, device="cuda:7")
    copy.snakemake("--keep-going", fails=True)
    copy.edit_params(device="cpu")
    assert len(copy.planned()["generate_images"]) == 6
    text = _run_on_a_full_disk(copy)
    assert "no space left on the disk" in text or "File too large" in text
    assert len(copy.planned()["generate_images"]) == 6
    _kill_while(copy, lambda: _processes(copy.folder, "generate_images"))
    assert copy.planned()["generate_images"]
    copy.snakemake()
    assert copy.tables(*FEW)["roots/figure5.csv"] != before["roots/figure5.csv"]
    copy.edit_params(generate_images__guidance=3.0)
    copy.snakemake()
    assert copy.tables(*FEW) == before


def test_what_a_failed_job_took_away_is_made_again_with_all_that_was_made_of_it(copy):
    """Erasing fails under another option: the published models of the old one look up to date and must not stay."""
    copy.edit_audit(tables=FEW)
    before = copy.tables(*FEW)
    copy.edit_params(erase_concept__conceptprune__skill_ratio=0.3, device="cuda:7")
    copy.snakemake("--keep-going", fails=True)
    copy.edit_params(device="cpu")
    assert len(copy.planned()["erase_concept"]) == 2
    copy.snakemake()
    assert copy.tables(*FEW)["ours/signs.csv"] != before["ours/signs.csv"]
    record = json.loads((copy.folder / "results/tiny/publish_model/pruned/church/record.json").read_text())
    assert record["eraser"]["skill_ratio"] == 0.3
    assert copy.planned() == {}


def test_a_killed_run_is_taken_up_and_gives_the_same_tables(copy):
    copy.edit_audit(tables=FEW)
    before = copy.tables(*FEW)
    shutil.rmtree(copy.folder / "results")
    copy.snakemake(WORLD)
    # The store grows while the first job draws.
    _kill_while(copy, lambda: list((copy.folder / "results").rglob("*.arrow")), INDEX, all_of_it=True)
    copy.snakemake()
    assert copy.tables(*FEW) == before
    assert not list((copy.folder / "results").rglob(".*.tmp"))


def _kill_while(copy: Copy, seen: Callable[[], list], *targets: str, all_of_it: bool = False) -> None:
    """Start a run and kill it, or the first process that is seen, once something is seen."""
    run = subprocess.Popen(
        ["snakemake", "--cores", "1", *targets],
        cwd=copy.folder,
        env=environment(copy.folder),  # with processes of their own
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (found := seen()):
            assert run.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        if all_of_it:
            os.killpg(run.pid, signal.SIGKILL)
        else:
            os.kill(found[0], signal.SIGKILL)
        assert run.wait(timeout=300) != 0
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    copy.snakemake("--unlock")


def _processes(folder: Path, verb: str) -> list[int]:
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


def _run_on_a_full_disk(copy: Copy) -> str:
    """Run with room for one image; where nobody may mount a small disk, no file may grow beyond that."""
    store = copy.folder / "results/tiny/store"
    mount = ["unshare", "--map-root-user", "--mount", "sh", "-ec", 'mount -t tmpfs -o size=4k none "$0"; exec "$@"']
    mount.append(str(store))
    small = subprocess.run([*mount, "true"], capture_output=True).returncode == 0 if shutil.which("unshare") else False
    limit = copy.folder / "limit.sh"
    limit.write_text("ulimit -f 4\n")  # Bash reads it before it runs a job
    run = Copy(copy.folder)  # with processes of their own
    command = ["snakemake", "--cores", "1"]
    return run.run(*mount, *command, fails=True) if small else run.run("env", f"BASH_ENV={limit}", *command, fails=True)

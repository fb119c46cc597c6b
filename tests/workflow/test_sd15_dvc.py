"""The record of Stable Diffusion 1.5 in a dvc.yaml of its own, on stand-ins: repro, metrics, experiments, adopt."""

import json
from pathlib import Path

import pytest
import yaml

from tests.standin.rehearsal import Rehearsal, rehearsal
from tests.workflow.conftest import NOTHING

FILE = "dvc/sd15/dvc.yaml"
METRICS = "results/audits/sd15/metrics.json"
SMALL = {"concepts": ["church"], "attacks": ["roots_max"], "oracles": [], "tables": ["roots/table1"], "selections": {}}


def edit(path: Path, **changes: object) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = content
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def git(made: Rehearsal, *arguments: str) -> str:
    return made.run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments)


@pytest.fixture(scope="module")
def recorded(preloaded_commands, tmp_path_factory):
    """A repository in which the smallest audit of Stable Diffusion was recorded by DVC, and committed."""
    with rehearsal(tmp_path_factory.mktemp("sd15"), ["church"], preloaded_commands) as made:
        folder = made.folder
        edit(folder / "config/audits/sd15.yaml", **SMALL, counts={"erased": 2, "preserved": 2})
        small = {"device": "cpu", "generate_images__steps": 2, "erase_concept__conceptprune__calls": 2}
        small |= {"erase_concept__conceptprune__steps": 3, "generate_images__dtype": "float32"}
        edit(folder / "config/worlds/sd15.yaml", **{f"params__{key}": value for key, value in small.items()})
        git(made, "init", "--quiet")
        git(made, "add", ".")
        git(made, "commit", "--quiet", "--message", "a small audit")
        made.run("dvc", "repro", FILE)
        git(made, "add", ".")
        git(made, "commit", "--quiet", "--message", "results")
        yield made


def lock(made: Rehearsal) -> dict[str, dict[str, object]]:
    found = yaml.safe_load((made.folder / "dvc/sd15/dvc.lock").read_text())["stages"]
    return {out["path"]: out for stage in found.values() for out in stage["outs"]}


def test_the_record_has_models_scores_and_tables_but_no_image_and_no_base_model(recorded):
    assert (recorded.folder / "results/sd15/store/images").is_dir()
    assert (recorded.folder / "results/sd15/fetch_world/pipeline").is_dir()
    outs = lock(recorded)
    assert "results/sd15/store/scores" in outs and "results/audits/sd15/tables" in outs
    assert not [path for path in outs if "images/" in f"{path}/" and "/store/" in path or "fetch" in path]
    tracked = set(git(recorded, "ls-files", "results").split())
    assert {METRICS, "results/audits/sd15/tables/roots/table1.csv"} <= tracked
    assert all(name.startswith("results/audits/sd15/") for name in tracked)


def test_nothing_is_left_to_do_for_either_tool(recorded):
    assert recorded.run("dvc", "status", "--json", FILE).strip() == "{}"
    assert NOTHING in recorded.run("snakemake", "--dry-run", "--cores", "1", "--config", "audit=sd15")
    assert git(recorded, "status", "--porcelain").strip() == ""


def test_an_experiment_is_compared_and_taken_back(recorded):
    """A value of the world's file: it is stronger than params.yaml, so there it would change nothing."""
    before = (recorded.folder / METRICS).read_text()
    recorded.run("dvc", "exp", "run", FILE, "-S", "config/worlds/sd15.yaml:params.generate_images.guidance=3.0")
    assert yaml.safe_load((recorded.folder / "config/worlds/sd15.yaml").read_text())["params"]["generate_images"][
        "guidance"
    ] == pytest.approx(3.0)
    assert recorded.run("dvc", "status", "--json", FILE).strip() == "{}"
    text = recorded.run("dvc", "metrics", "diff", "--all")
    assert METRICS in text
    assert json.loads(before) and "guidance" in (recorded.folder / "results/audits/sd15/report.html").read_text()
    git(recorded, "checkout", "--quiet", "--force", ".")
    recorded.run("dvc", "checkout", FILE)


def test_a_clone_takes_over_what_dvc_brings(recorded, tmp_path):
    git(recorded, "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Rehearsal(tmp_path / "clone", recorded.hub, recorded.commands)
    clone.run("dvc", "config", "--local", "cache.dir", str(recorded.folder / ".dvc/cache"))
    clone.run("dvc", "checkout", FILE)
    clone.run("regrow", "adopt", "--audit", "sd15")
    assert (clone.folder / "results/sd15/fetch_world/pipeline.json").is_file()  # no record holds the base model
    edit(clone.folder / "params.yaml", make_table__level=0.5)
    text = clone.run("snakemake", "--dry-run", "--cores", "1", "--config", "audit=sd15")
    made = {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith(("rule ", "localrule "))}
    assert made - {"all", "audit"} == {"make_table", "make_figure", "make_metrics", "make_report"}

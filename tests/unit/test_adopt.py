"""Taking over what DVC brought: all of it or nothing."""

import subprocess
from pathlib import Path

import pytest

from regrow import adopt
from regrow.errors import UserError
from tests.unit.planning import WORLD, edit, write_planning_world


@pytest.fixture
def ran(monkeypatch):
    """Note the commands that are run, and answer them as a test says."""
    commands, answers = [], {"dvc": (0, "{}", ""), "snakemake": (0, "", "")}

    def run(command, *, env, **kwargs):
        commands.append((" ".join(command[2:]), Path.cwd(), env))
        code, out, error = answers[command[2]]
        return subprocess.CompletedProcess(command, code, out, error)

    monkeypatch.setattr(adopt.subprocess, "run", run)
    return commands, answers


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A repository with the tiny world, somewhere else."""
    write_planning_world(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


def test_a_clean_checkout_is_touched_as_a_whole(ran, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/somewhere/.git")
    adopt.adopt(tmp_path)
    assert [(command, folder) for command, folder, _ in ran[0]] == [
        ("dvc status --json dvc.yaml", tmp_path),
        ("snakemake --touch --forceall --cores 1", tmp_path),
    ]
    assert not [name for _, _, env in ran[0] for name in env if name.startswith("GIT_")]
    assert all("REGROW_ADOPTING" in env for _, _, env in ran[0])


def test_anything_else_is_refused_before_a_touch(ran, tmp_path):
    ran[1]["dvc"] = (0, '{"emoji": [{"changed deps": {"data": "modified"}}]}', "")
    with pytest.raises(UserError, match=r"dvc status dvc.yaml is not clean \(emoji\): run `dvc checkout dvc.yaml`"):
        adopt.adopt(tmp_path)
    assert len(ran[0]) == 1


def test_a_tool_that_fails_is_named(ran, tmp_path):
    ran[1]["dvc"] = (255, "", "loading\nERROR: you are not inside of a DVC repository\n")
    with pytest.raises(UserError, match="`dvc status --json dvc.yaml` failed .* not inside of a DVC repository"):
        adopt.adopt(tmp_path)


def test_a_world_with_a_record_of_its_own_is_looked_at_there(ran, tmp_path):
    (tmp_path / "dvc/tiny").mkdir(parents=True)
    (tmp_path / "dvc/tiny/dvc.yaml").write_text("stages: {}\n")
    adopt.adopt(tmp_path, "tiny")
    assert [command for command, _, _ in ran[0]] == [
        "dvc status --json dvc/tiny/dvc.yaml",
        "snakemake --touch --forceall --cores 1 --config audit=tiny",
    ]


def test_dvc_itself_takes_over_the_results_that_it_brought_and_no_others(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adopt.adopt_checked("tiny")
    assert ran[0] == []
    path = Path("results/tiny/index_world/world.json")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    adopt.adopt_checked("tiny")
    assert [command for command, _, _ in ran[0]] == [
        "snakemake results --touch --forceall --cores 1 --config audit=tiny"
    ]


def test_what_no_record_holds_is_fetched_first(ran, tmp_path):
    origin = {"repo": "ada/model", "revision": "3" * 40, "licence": "MIT", "files": {"unet/config.json": None}}
    edit(tmp_path / WORLD, fetch={"pipeline": origin}, pipeline="results/tiny/fetch_world/pipeline")
    adopt.adopt(tmp_path)
    assert [command for command, _, _ in ran[0]] == [
        "dvc status --json dvc.yaml",
        "snakemake fetch --cores 1",
        "snakemake --touch --forceall --cores 1",
    ]

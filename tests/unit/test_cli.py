"""The command line: flags of stages from their signatures, tools, and how failures are told."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regrow import cli
from regrow.config.reader import read_yaml
from regrow.dependencies import stages
from regrow.errors import UserError
from tests.unit.planning import write_planning_world

ROOT = Path(__file__).parents[2]


@pytest.fixture
def called(monkeypatch):
    """Replace every stage by one that notes its arguments."""
    calls: list[dict[str, Any]] = []

    class Stage:
        @staticmethod
        def run(
            model: Path,
            options: dict[str, Any],
            k: list[float],
            completed: Path | None,
            completer: dict[str, Any] | None,
            n: int,
            tiled: bool,
            audit: str | None = None,
        ) -> None:
            """Do something.

            Parameters
            ----------
            model : Path
                The published delta,
                100 % of it.
            k, n : list of float
                Shares.

            Raises
            ------
            UserError
                Never.
            """
            calls.append({name: value for name, value in locals().items() if name != "calls"})

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Stage)
    return calls


WORDS = ["attack_weights", "--model", "m", "--options", '{"retain": 0.6}', "--k", "0.2", "0.5", "--completed", "c"]
WORDS += ["--completer", '{"name": "nuclear"}', "--n", "-4", "--tiled", "true"]


def without(*flags: str) -> list[str]:
    """Return the words without the values of some flags."""
    words, skip = [], False
    for word in WORDS:
        if word.startswith("--"):
            skip = word in flags
        if not skip or word.startswith("--"):
            words.append(word)
    return words


def test_a_verb_calls_its_stage_with_typed_arguments(called):
    assert cli.run(WORDS) == 0
    assert called == [
        {
            **{"model": Path("m"), "options": {"retain": 0.6}, "k": [0.2, 0.5], "completed": Path("c")},
            **{"completer": {"name": "nuclear"}, "n": -4, "tiled": True, "audit": None},
        }
    ]


def test_a_verb_may_be_written_with_dashes(called):
    assert cli.run(["attack-weights", *WORDS[1:]]) == 0
    assert len(called) == 1


def test_what_a_rule_does_not_have_is_none_or_empty(called):
    assert cli.run(without("--completed", "--completer", "--k")) == 0
    assert (called[0]["completed"], called[0]["completer"], called[0]["k"]) == (None, None, [])
    null = [word if word != '{"name": "nuclear"}' else "null" for word in WORDS]
    assert cli.run(["attack_weights", "--completed", "", *null[1:]]) == 0
    assert called[1]["completer"] is None


@pytest.mark.parametrize(
    ("stage", "job", "own", "offline"),
    [
        ("attack_weights", "7", None, "1"),
        ("attack_weights", "7", "0", "0"),
        ("attack_weights", None, None, None),
        ("fetch_world", "7", None, None),
    ],
)
def test_a_compute_node_asks_no_hub_but_to_fetch(called, monkeypatch, stage, job, own, offline):
    told = {"SLURM_JOB_ID": job, "HF_HUB_OFFLINE": own}
    rest = {name: value for name, value in os.environ.items() if name not in told}
    monkeypatch.setattr(os, "environ", rest | {name: value for name, value in told.items() if value is not None})
    assert cli.run([stage, *WORDS[1:]]) == 0 and called
    assert os.environ.get("HF_HUB_OFFLINE") == offline


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS[:-2], "the following arguments are required: --tiled"),
        ([*WORDS, "--retain", "1"], "unrecognized arguments: --retain 1"),
        ([*WORDS, "--mod", "x"], "unrecognized arguments: --mod x"),
        ([*WORDS, "--n=x"], "argument --n: invalid int value: 'x'"),
        ([*WORDS, "--tiled", "yes"], "argument --tiled: not true or false"),
        ([*WORDS, "--options", "{retain: 0.6}"], "argument --options: not JSON"),
        ([*WORDS, "--options", "[0.6]"], "argument --options: not a JSON object such as"),
        ([*WORDS, "--k", "0.2", "--n=7", "x"], "unrecognized arguments: x"),
    ],
)
def test_a_wrong_flag_is_refused(called, capsys, words, said):
    with pytest.raises(SystemExit) as stop:
        cli.run(words)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert not called


def test_a_flag_after_a_list_is_no_item_of_it(called):
    assert cli.run([*WORDS, "--k", "0.2", "--n=7"]) == 0
    assert (called[0]["k"], called[0]["n"]) == ([0.2], 7)


def test_the_help_of_a_flag_is_that_of_the_signature(called, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.run(["attack_weights", "--help"])
    assert stop.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--model MODEL The published delta, 100 % of it." in said
    assert "Never" not in said


def test_an_unknown_verb_has_its_nearest(capsys):
    assert cli.run(["atack_weights"]) == 1
    assert capsys.readouterr().err == "error: unknown verb 'atack_weights': did you mean 'attack_weights'?\n"


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (UserError("the mask is empty: prune more"), "error: the mask is empty: prune more\n"),
        (OSError(errno.ENOSPC, "No space left", "big"), "error: no space left on the disk for big: free some"),
        (FileNotFoundError(errno.ENOENT, "No such file", "gone.csv"), "error: there is no gone.csv: make it first"),
    ],
)
def test_a_foreseen_failure_is_one_sentence_and_exit_code_1(monkeypatch, capsys, failure, sentence):
    class Stage:
        @staticmethod
        def run(out: Path) -> None:
            raise failure

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Stage)
    assert cli.run(["publish_model", "--out", "o"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(sentence) and said.count("\n") == 1


def test_an_unforeseen_failure_keeps_its_traceback(monkeypatch):
    class Stage:
        @staticmethod
        def run(out: Path) -> None:
            raise ZeroDivisionError

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Stage)
    with pytest.raises(ZeroDivisionError):
        cli.run(["publish_model", "--out", "o"])


def test_help_lists_every_verb(capsys):
    assert cli.run(["--help"]) == 0
    said = capsys.readouterr().out
    for verb in (*stages(), *cli.TOOLS):
        assert f"\n  {verb} " in said
    assert cli.run([]) == 2


@pytest.mark.parametrize("stage", sorted(stages()))
def test_every_argument_of_every_stage_can_be_a_flag(stage):
    """Read in a process of its own: a stage loads torch."""
    if stage not in ("make_table", "attack_weights", "generate_images", "index_world"):
        from ast import FunctionDef, parse

        tree = parse((ROOT / f"workflow/regrow/stages/{stage}.py").read_text())
        run = next(node for node in tree.body if isinstance(node, FunctionDef) and node.name == "run")
        assert all(argument.annotation is not None for argument in run.args.args)
        assert run.args.kwonlyargs == []
        return
    done = subprocess.run(
        [sys.executable, "-m", "regrow", stage, "--help"], cwd=ROOT / "workflow", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--out" in done.stdout


class TestTools:
    @pytest.fixture(autouse=True)
    def world(self, tmp_path, monkeypatch):
        """A working directory with a world to plan in."""
        write_planning_world(tmp_path)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("REGROW_CONFIG", raising=False)

    def test_plan(self, capsys):
        assert cli.run(["plan"]) == 0
        assert "all together" in capsys.readouterr().out

    def test_plan_of_an_unknown_audit(self, capsys):
        assert cli.run(["plan", "--audit", "tinny"]) == 1
        assert "error: unknown audit 'tinny'" in capsys.readouterr().err

    def test_schema(self, tmp_path):
        assert cli.run(["schema", "--out", str(tmp_path / "schemas")]) == 0
        assert {path.name for path in (tmp_path / "schemas").iterdir()} == {"params.json", "world.json", "audit.json"}

    def test_discard(self, capsys):
        path = Path("results/tiny/index_world/world.json")
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        assert cli.run(["discard"]) == 0
        assert capsys.readouterr().out == "1 files deleted\n"
        assert not path.exists()

    def test_a_table_by_hand_takes_the_audit_of_params(self, capsys):
        assert cli.run(["make_table", "--table", "roots/table1", "--out", "t.csv", "--audit", "tinny"]) == 1
        assert "error: unknown audit 'tinny'" in capsys.readouterr().err
        assert read_yaml(Path("params.yaml"))["audit"] == "tiny"

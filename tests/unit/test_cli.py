"""The command line: flags, and how failures are told."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from regrow import cli
from regrow.code import stages
from regrow.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def called(monkeypatch):
    """Replace every stage by one that notes its arguments."""
    calls = []

    class Stage:
        @staticmethod
        def run(**arguments):
            calls.append(arguments)

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Stage)
    return calls


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["regrow", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


REVIVE = ("revive_concept", "--model", "m.safetensors", "--method", "roots", "--options", '{"keep": 0.6}', "--out", "o")


def test_a_verb_calls_its_stage_with_typed_arguments(monkeypatch, called):
    assert run(monkeypatch, *REVIVE, "--completed", "c") == 0
    assert called == [
        {
            "model": Path("m.safetensors"),
            "method": "roots",
            "options": {"keep": 0.6},
            "out": Path("o"),
            "completed": Path("c"),
        }
    ]


def test_a_verb_may_be_written_with_dashes(monkeypatch, called):
    assert run(monkeypatch, "revive-concept", *REVIVE[1:]) == 0
    assert len(called) == 1


@pytest.mark.parametrize("words", [(), ("--completed",)])
def test_an_input_that_a_rule_does_not_have_is_none(monkeypatch, called, words):
    assert run(monkeypatch, *REVIVE, *words) == 0
    assert called[0]["completed"] is None


def test_a_list_takes_many_words_or_none(monkeypatch, called):
    words = (
        "--labels",
        '{"church": "church"}',
        "--n",
        "4",
        "--confidence",
        "0.95",
        "--out-dir",
        "t",
        "--metrics-file",
        "m",
    )
    assert run(monkeypatch, "make_tables", "--scores", "a", "b", "--both-sides", *words) == 0
    assert called[0]["scores"] == [Path("a"), Path("b")]
    assert called[0]["both_sides"] == []
    assert called[0]["labels"] == {"church": "church"}


@pytest.mark.parametrize("options", ["{keep: 0.6}", "[0.6]", "0.6"])
def test_options_that_are_no_json_object_are_refused(monkeypatch, called, capsys, options):
    words = ["--model", "m", "--method", "roots", "--options", options, "--out", "o"]
    assert run(monkeypatch, "revive_concept", *words) == 2
    assert "--options" in capsys.readouterr().err
    assert not called


@pytest.mark.parametrize("words", [("revive_concept", "--out", "o"), ("revive_concpt",), (*REVIVE, "--keep", "1")])
def test_a_missing_flag_and_an_unknown_verb_or_flag_are_refused(monkeypatch, called, words):
    assert run(monkeypatch, *words) == 2
    assert not called


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (UserError("the mask is empty: prune more"), "error: the mask is empty: prune more\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "big"),
            "error: no space left on the disk for big: free some",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file", "gone.csv"), "error: there is no gone.csv: make it first"),
    ],
)
def test_a_foreseen_failure_is_one_sentence_and_exit_code_1(monkeypatch, capsys, failure, sentence):
    class Stage:
        @staticmethod
        def run(**arguments):
            raise failure

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Stage)
    assert run(monkeypatch, *REVIVE) == 1
    told = capsys.readouterr().err
    assert told.startswith(sentence)
    assert told.count("\n") == 1


def test_an_unforeseen_failure_keeps_its_traceback(monkeypatch):
    class Stage:
        @staticmethod
        def run(**arguments):
            raise ZeroDivisionError

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Stage)
    monkeypatch.setattr(sys, "argv", ["regrow", *REVIVE])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_help_lists_every_stage_and_loads_no_science():
    program = (
        "import sys, regrow.cli as cli; sys.argv = ['regrow', '--help']\ntry: cli.main()\nfinally: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "workflow", capture_output=True, text=True, check=True
    )
    for stage in stages():
        assert stage in done.stdout
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"torch", "diffusers", "pandas", "matplotlib"} & set(loaded)


def test_every_argument_of_every_stage_can_be_a_flag():
    for stage, function in stages().items():
        for argument in function.args.args:
            assert argument.annotation is not None, f"{stage}: {argument.arg}"
        assert function.args.kwonlyargs == [] and function.args.defaults == [], (
            f"{stage}: every argument is a plain flag"
        )


def test_schema_writes_the_schema(monkeypatch, tmp_path):
    assert run(monkeypatch, "schema", "--out", str(tmp_path / "schema.json")) == 0
    assert json.loads((tmp_path / "schema.json").read_text())["additionalProperties"] is False

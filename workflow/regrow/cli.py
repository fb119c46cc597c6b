"""The command line: one verb per stage with one flag per argument of its `run`, and a few verbs around the workflow.

The flags are read from the source and a stage is imported only when its verb is called, so `regrow --help` is fast.
"""

import ast
import errno
import importlib
import inspect
import json
import logging
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import GenericAlias, NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from rich.console import Console

from regrow.adopt import adopt
from regrow.code import stages, type_of
from regrow.errors import UserError
from regrow.files import write_text
from regrow.params import json_schema

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _about() -> None:
    """Audit whether a concept erased from a text-to-image diffusion model grows back."""


@app.command("schema")
def _schema(out: Annotated[Path, typer.Option(help="File to write")] = Path("params.schema.json")) -> None:
    """Write the JSON schema of params.yaml, by which editors complete and check it."""
    write_text(out, json_schema())


@app.command("adopt")
def _adopt(folder: Annotated[Path, typer.Option(help="The repository")] = Path()) -> None:
    """Tell Snakemake that what `dvc checkout` or `dvc pull` brought is up to date."""
    adopt(folder)


def _add_stage(stage: str, function: ast.FunctionDef) -> None:
    """Add the verb of a stage: every argument is a flag, and required unless it may be None or is a list."""
    docstring = ast.get_docstring(function) or ""
    helps = {
        name: " ".join(text.split()) for name, text in re.findall(r"^(\w+) : .*\n((?: {4}.*\n?)+)", docstring, re.M)
    }
    flags = []
    for argument in function.args.args:
        kind: Any = type_of(argument.annotation)
        default: Any = ...
        option: dict[str, Any] = {"help": helps.get(argument.arg, "")}
        if get_origin(kind) is dict:
            kind, option["parser"], option["metavar"] = dict, _json_object, "JSON"
        elif get_origin(kind) in (list, Sequence):
            (item,) = get_args(kind)
            kind, default = GenericAlias(list, item), []
        elif NoneType in get_args(kind):
            default = None
        flag = typer.Option(default, _flag(argument), **option)
        flags.append(inspect.Parameter(argument.arg, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=flag))

    def call(**arguments: Any) -> None:
        importlib.import_module(f"regrow.stages.{stage}").run(**arguments)

    call.__signature__ = inspect.Signature(flags)  # type: ignore[attr-defined]
    call.__annotations__ = {flag.name: flag.annotation for flag in flags}
    app.command(stage, help=docstring.split("\n")[0])(call)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('not a JSON object such as {"keep": 0.6}')
    return value


def _spell_out(words: list[str], function: ast.FunctionDef) -> list[str]:
    """Make the flags of a stage as a rule writes them what the parser reads.

    `--keeps 0.2 0.3` becomes `--keeps 0.2 --keeps 0.3`, and `--model` without a value is left out where it may be.
    """
    kinds = {_flag(argument): type_of(argument.annotation) for argument in function.args.args}
    lists = {flag for flag, kind in kinds.items() if get_origin(kind) in (list, Sequence)}
    optional = lists | {flag for flag, kind in kinds.items() if NoneType in get_args(kind)}
    out, flag = list[str](), ""
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        if word in kinds:
            flag = word
            if word not in optional or (word not in lists and not after.startswith("--")):
                out.append(word)
        else:
            out += [flag, word] if flag in lists else [word]
    return out


def _flag(argument: ast.arg) -> str:
    return f"--{argument.arg.replace('_', '-')}"


def _guarded(command: Callable[[], Any]) -> int:
    """Run a command; a foreseen failure becomes one sentence on stderr and the exit code 1."""
    try:
        command()
    except UserError as error:
        message = str(error)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            message = f"no space left on the disk for {error.filename or 'the output'}: free some and run it again"
        elif error.errno == errno.ENOENT and error.filename:
            message = f"there is no {error.filename}: make it first or correct the path"
        else:
            raise
    else:
        return 0
    Console(stderr=True).print(f"error: {message}", markup=False, highlight=False, soft_wrap=True)
    return 1


def main() -> None:
    """Run the verb that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    words = sys.argv[1:]
    if words and not words[0].startswith("-"):
        words[0] = words[0].replace("-", "_")  # `world-report` is `world_report`
    function = stages().get(words[0]) if words else None
    if function:
        words = _spell_out(words, function)
    sys.exit(_guarded(lambda: app(words, prog_name="regrow")))


for _name, _function in stages().items():
    _add_stage(_name, _function)

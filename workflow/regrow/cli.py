"""The command line: one verb per stage with one flag per argument of its `run`, and a few verbs around the workflow.

A stage is imported only when its verb is called, so that `regrow --help` is fast.
"""

import argparse
import errno
import importlib
import inspect
import json
import logging
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

from regrow.dependencies import stages, summary_of
from regrow.errors import UserError, nearest
from regrow.gpus import take_gpu

Command = Callable[[Sequence[str]], int | None]  # an exit code, where a verb has more than one


def main() -> NoReturn:
    """Run the verb that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend draws nothing here
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run a verb with its flags and return the exit code; a foreseen failure is one sentence on stderr."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0 if words else 2
    verb, flags = words[0], words[1:]
    stage = verb.replace("-", "_")
    tool = TOOLS.get(verb.replace("_", "-"))
    try:
        if tool is None and stage not in stages():
            raise UserError(f"unknown verb '{verb}': {nearest(verb, [*stages(), *TOOLS])}")
        code = (tool or _stage_command(stage))(flags)
    except UserError as error:
        message = str(error)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            message = f"no space left on the disk for {error.filename or 'the output'}: free some and run it again"
        elif error.errno == errno.ENOENT and error.filename:
            message = f"there is no {error.filename}: make it first or correct the path"
        else:
            raise
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # of torch, which most verbs do not import
            raise
        reason = str(error).partition(". ")[0]
        message = f"the device has no memory left ({reason}): lower the batch, or end what else runs on it"
    else:
        return code or 0
    sys.stderr.write(f"error: {message}\n")
    return 1


# Stages


def _stage_command(stage: str) -> Command:
    def command(words: Sequence[str]) -> None:
        if "SLURM_JOB_ID" in os.environ and not stage.startswith("fetch_"):
            # Nodes of a cluster often have no network, and no stage but those that fetch asks a hub for anything.
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        function = importlib.import_module(f"regrow.stages.{stage}").run
        arguments = vars(stage_parser(stage, function).parse_args(words))
        _take_device(arguments.get("device", "cpu"))
        function(**arguments)

    return command


def _take_device(device: str) -> None:
    take_gpu(device)
    if device.startswith("cuda"):
        from regrow.cuda import check_cuda

        check_cuda(device)


def stage_parser(stage: str, function: Callable[..., None]) -> argparse.ArgumentParser:
    """Return the parser of a stage: a flag per argument of its `run`, required unless it may be None."""
    parser = argparse.ArgumentParser(f"regrow {stage}", description=summary_of(stage), allow_abbrev=False)
    helps = _argument_helps(inspect.getdoc(function) or "")
    for name, kind in get_type_hints(function).items():
        if name != "return":
            flag = f"--{name.replace('_', '-')}"
            parser.add_argument(flag, dest=name, help=helps.get(name), **_reading(kind))
    return parser


def _reading(kind: Any) -> dict[str, Any]:
    """Return how argparse reads a value of a type, as a rule writes it."""
    if get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind):
        (inner,) = (one for one in get_args(kind) if one is not type(None))
        # A rule writes the flag alone, or an empty word, where there is no such input.
        read = _reading(inner)
        bare = True if inner is bool else None
        optional = {"nargs": "?", "default": None, "const": bare, "metavar": read.get("metavar")}
        return {**optional, "type": _or_none(read["type"])}
    if get_origin(kind) in (list, Sequence):
        (item,) = get_args(kind)
        return {"nargs": "*", "default": [], "type": _reading(item)["type"]}
    if kind is dict or get_origin(kind) in (dict, Mapping):
        return {"required": True, "type": _json_object, "metavar": "JSON"}
    if kind is bool:
        return {"required": True, "type": _boolean, "metavar": "true|false"}
    return {"required": True, "type": kind}


def _or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def reader(text: str) -> Any:
        return None if text in ("", "null") else read(text)

    return reader


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('not a JSON object such as {"retain": 0.6}')
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError("not true or false")
    return text.lower() == "true"


def _argument_helps(docstring: str) -> dict[str, str]:
    """Return what a numpydoc section says of each parameter, in one line."""
    helps: dict[str, list[str]] = {}
    names: list[str] = []
    for line in docstring.partition("Parameters\n---")[2].splitlines()[1:]:
        if line and not line[0].isspace():
            names = [name.strip() for name in line.partition(" :")[0].split(",")]
            if not all(name.isidentifier() for name in names):
                break  # the next section
        else:
            for name in names:
                helps.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines).strip().replace("%", "%%") for name, lines in helps.items()}


# Tools


def _plan(words: Sequence[str]) -> None:
    """Print every value with the file it comes from, and what an audit costs."""
    parser = argparse.ArgumentParser("regrow plan", description=_plan.__doc__, allow_abbrev=False)
    parser.add_argument("--audit", help="a file of config/audits, without .yaml; else that of params.yaml")
    parser.add_argument("--rehearsal", action="store_true", help="of its rehearsal, with every count scaled down")
    from regrow.plan.preview import preview

    arguments = parser.parse_args(words)
    sys.stdout.write(preview(arguments.audit, arguments.rehearsal))


def _schema(words: Sequence[str]) -> None:
    """Write the JSON schemas by which editors complete and check params, worlds and audits."""
    parser = argparse.ArgumentParser("regrow schema", description=_schema.__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=Path("config/schema"), help="folder to write to")
    from regrow.config.editors import write_schemas

    write_schemas(parser.parse_args(words).out)


def _adopt(words: Sequence[str]) -> None:
    """Tell Snakemake that what `dvc checkout` or `dvc pull` brought is up to date."""
    parser = argparse.ArgumentParser("regrow adopt", description=_adopt.__doc__, allow_abbrev=False)
    parser.add_argument("--folder", type=Path, default=Path(), help="the repository")
    parser.add_argument("--checked", action="store_true", help="DVC has checked the results: for its own stages")
    parser.add_argument("--audit", help="whose results: a file of config/audits; else that of params.yaml")
    from regrow import adopt

    arguments = parser.parse_args(words)
    if arguments.checked:
        adopt.adopt_checked(arguments.audit)
    else:
        adopt.adopt(arguments.folder, arguments.audit)


def _discard(words: Sequence[str]) -> None:
    """Delete results that Snakemake has no record of, so that they are made anew; images and scores stay."""
    parser = argparse.ArgumentParser("regrow discard", description=_discard.__doc__, allow_abbrev=False)
    parser.add_argument("--audit", help="a file of config/audits, without .yaml; else that of params.yaml")
    from regrow.plan.audit import Audit
    from regrow.plan.refusals import discard_unknown_results

    count = discard_unknown_results(Audit.current(parser.parse_args(words).audit))
    sys.stdout.write(f"{count} files deleted\n")


def _store(words: Sequence[str]) -> None:
    """List the images of a world's store, and remove those that no index names."""
    parser = argparse.ArgumentParser("regrow store", description=_store.__doc__, allow_abbrev=False)
    parser.add_argument("--audit", help="of which world: a file of config/audits; else that of params.yaml")
    parser.add_argument("--sweep", action="store_true", help="remove images that no index of the world names")
    from regrow.plan.audit import Audit
    from regrow.plan.paths import RESULTS, store

    arguments = parser.parse_args(words)
    world = Audit.current(arguments.audit).world_name
    from regrow.images.sweep import named_keys, sweep, usage

    named = named_keys(sorted((RESULTS / world / "generate_images").rglob("*.parquet")))
    for found in usage(store(world) / "images", named):
        removed = sweep(found.folder, named.get(found.folder.name, set())) if arguments.sweep else 0
        said = f"{found.rows:,} images, {found.named:,} named, {found.bytes / 1e6:.1f} MB, {removed:,} removed"
        sys.stdout.write(f"{found.folder.name[:12]}  {said}\n")


def _lock_renderer(words: Sequence[str]) -> None:
    """Write down which code the renderer's version stands for, after raising it."""
    parser = argparse.ArgumentParser("regrow lock-renderer", description=_lock_renderer.__doc__, allow_abbrev=False)
    parser.add_argument("--same-images", action="store_true", help="the edit changes no image, so the version stays")
    from regrow.plan.renderer_lock import write_lock

    write_lock(parser.parse_args(words).same_images)


def _gpu_check(words: Sequence[str]) -> None:
    """Check in minutes that a GPU draws, swaps, judges and completes as it should."""
    parser = argparse.ArgumentParser("regrow gpu-check", description=_gpu_check.__doc__, allow_abbrev=False)
    parser.add_argument("--device", default="cuda", help="cpu checks the check itself")
    parser.add_argument("--worlds", nargs="*", default=[], help="files of config/worlds; else all whose model is here")
    arguments = parser.parse_args(words)
    _take_device(arguments.device)
    from regrow.gpu_check import run as check

    check(arguments.worlds, arguments.device)


def _check(words: Sequence[str]) -> int:
    """Check whether a model that somebody pruned is safe to publish: 0 not shown to grow back, 3 no, 4 cannot tell."""
    parser = argparse.ArgumentParser("regrow check", description=_check.__doc__, allow_abbrev=False)
    parser.add_argument("model", type=Path, help="a pipeline, the folder or file of a UNet, a state dict or a LoRA")
    parser.add_argument("--concept", required=True, help="folder of a concept pack, or a concept of the world")
    parser.add_argument(
        "--world", default="emoji", help="a file of config/worlds: judges, and parts that the file lacks"
    )
    parser.add_argument("--base", type=Path, help="pipeline that the model was made from, if an attacker has it too")
    parser.add_argument("--mask", type=Path, help="safetensors of bool per weight name, True = missing")
    parser.add_argument("--prompts", help="a prompt set of the world, else the first that asks for the concept")
    parser.add_argument("--images", type=int, help="of each model, at most as many as the concept has prompts")
    parser.add_argument(
        "--attacks", nargs="+", default=[], help="entries of attack_weights, else those of docs/check.md"
    )
    parser.add_argument("--out", type=Path, help="folder to work in and to leave check.json and model_card.md in")
    parser.add_argument("--device", help="cpu or cuda; else that of params.yaml")
    arguments = parser.parse_args(words)
    _take_device(arguments.device or "cpu")
    from regrow.check.run import run as check

    return check(**vars(arguments))


TOOLS: dict[str, Command] = {
    "check": _check,
    "plan": _plan,
    "adopt": _adopt,
    "discard": _discard,
    "store": _store,
    "schema": _schema,
    "lock-renderer": _lock_renderer,
    "gpu-check": _gpu_check,
}


def _help() -> str:
    verbs = {verb: command.__doc__ or "" for verb, command in TOOLS.items()}
    verbs |= {stage: summary_of(stage) for stage in stages()}
    width = max(map(len, verbs))
    lines = [f"  {verb:<{width}}  {said.partition(chr(10))[0]}" for verb, said in verbs.items()]
    head = (
        "usage: regrow VERB [--help] [flags]\n\nAudit whether a concept erased from a diffusion model grows back.\n\n"
    )
    return head + "\n".join(lines) + "\n"

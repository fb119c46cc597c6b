"""Where values come from: params.yaml < the world file < what the command line adds; an audit selects and counts."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from regrow.config.entries import check_entries
from regrow.config.errors import validate
from regrow.config.files import AuditFile, WorldFile
from regrow.config.reader import read_yaml
from regrow.config.rehearsal import SUFFIX, asked_for, scaled, scaled_counts
from regrow.config.schema import NAME, Params
from regrow.errors import UserError, nearest
from regrow.places import ROOT, shown

VARIABLE = "REGROW_CONFIG"
COMMAND_LINE = "the command line"

Leaf = tuple[str, ...]


class Config(BaseModel):
    """Everything that was set, checked, and the file that each value comes from.

    Attributes
    ----------
    world_name, audit_name : str
        The folders of results; a rehearsal has folders of its own. The world's file is `audit.world`.
    rehearsal : bool
        Whether every count was scaled down.
    """

    model_config = ConfigDict(frozen=True)
    world_name: str
    audit_name: str
    rehearsal: bool = False
    params: Params
    world: WorldFile
    audit: AuditFile
    origins: dict[str, str] = {}

    def to_json(self) -> str:
        """Return what `current` reads."""
        return self.model_dump_json()


def current(audit: str | None = None, params: Path = Path("params.yaml"), rehearsal: bool = False) -> Config:
    """Return the config of the run that this process is part of, or else that of params.yaml in this folder."""
    if audit is None and not rehearsal and (text := os.environ.get(VARIABLE)):
        return Config.model_validate_json(text)
    said = {**({"audit": audit} if audit else {}), **({"rehearsal": True} if rehearsal else {})}
    return resolve({**read_yaml(params), **said}, [params])


def resolve(
    config: Mapping[str, Any],
    files: Sequence[Path],
    overlays: Sequence[Path] = (),
    said: Mapping[str, Any] = MappingProxyType({}),
) -> Config:
    """Check the config of a run and put all files together.

    Parameters
    ----------
    config : mapping
        What Snakemake made of all files and of the command line.
    files : sequence of Path
        Its config files, weakest first. They are read again, because Snakemake takes 1e-5 for a word, 010 for 8, and
        the last of two keys; what they do not explain was said on the command line.
    overlays : sequence of Path
        More such files, which are stronger than the world file.
    said : mapping
        What the command line says, which is stronger than all files, also where it repeats what the weakest one has.

    Raises
    ------
    UserError
        A bad value, in one sentence with the nearest word.
    """
    config, rehearsal = asked_for(config)
    base, top = _by_strength(config, files, overlays)
    repeated = {leaf for leaf, _ in _leaves(said) if leaf in base}
    top |= {leaf: (base[leaf][0], COMMAND_LINE) for leaf in repeated}
    name = _audit_name(base, top)
    audit_path = _find("audits", name)
    audit = validate(AuditFile, _selections(read_yaml(audit_path), audit_path), shown(audit_path))
    world_path = _find("worlds", audit.world)
    world = validate(WorldFile, read_yaml(world_path), shown(world_path))
    values: dict[Leaf, tuple[Any, str]] = base
    values |= {leaf: (value, shown(world_path)) for leaf, value in _leaves(world.params)}
    if rehearsal:
        values |= scaled(values)
        audit = scaled_counts(audit)
    values |= top
    where = f"params, with those of {shown(world_path)}" if world.params else "params"
    params = check_entries(validate(Params, _nested({leaf: value for leaf, (value, _) in values.items()}), where))
    suffix = SUFFIX if rehearsal else ""
    return Config(
        world_name=audit.world + suffix,
        audit_name=name + suffix,
        rehearsal=rehearsal,
        params=params,
        world=world,
        audit=audit,
        origins={".".join(leaf): origin for leaf, (_, origin) in values.items()},
    )


def read_world_file(name: str) -> WorldFile:
    """Return the checked file of a world, which need not be that of an audit."""
    path = _find("worlds", name)
    return validate(WorldFile, read_yaml(path), shown(path))


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return mappings put over one another, the later the stronger; lists are values."""
    return _nested({leaf: value for layer in layers for leaf, value in _leaves(layer)})


def _by_strength(
    config: Mapping[str, Any], files: Sequence[Path], overlays: Sequence[Path]
) -> tuple[dict[Leaf, tuple[Any, str]], dict[Leaf, tuple[Any, str]]]:
    """Return the values below and above the world file, with where they come from."""
    loose = dict(_leaves(merge(*(_as_snakemake_reads(path) for path in (*files, *overlays)))))
    exact = {path: dict(_leaves(read_yaml(path))) for path in (*files, *overlays)}
    base: dict[Leaf, tuple[Any, str]] = {}
    top: dict[Leaf, tuple[Any, str]] = {}
    for leaf, value in _leaves(config):
        said = [path for path in (*files, *overlays) if leaf in exact[path]]
        if said and leaf in loose and _same(loose[leaf], value):
            into = top if said[-1] in overlays else base
            into[leaf] = (exact[said[-1]][leaf], shown(said[-1]))
        elif said and said[-1] in files and _same(exact[said[-1]][leaf], value):
            base[leaf] = (value, shown(said[-1]))
        else:
            top[leaf] = (value, COMMAND_LINE)
    # Used as a module without params.yaml: all values are the caller's, and the world file is stronger as always.
    return (base, top) if base else (top, {})


def _as_snakemake_reads(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    return content if isinstance(content, dict) else {}


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other or isinstance(one, list) and list(one) == list(other)


def _audit_name(base: Mapping[Leaf, tuple[Any, str]], top: Mapping[Leaf, tuple[Any, str]]) -> str:
    name = (top.get(("audit",)) or base.get(("audit",)) or (None, ""))[0]
    if not isinstance(name, str):
        raise UserError("params: the key 'audit' is missing: name a file of config/audits, without .yaml")
    return name


def _selections(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Refuse an audit that says what a method is: two audits of a world share every model, image and score."""
    for key in content:
        if key != "audit" and key in Params.model_fields:
            raise UserError(
                f"{shown(path)}: an audit selects and counts and cannot set '{key}', which all audits share: set it in "
                "params.yaml or, for one world, in the params of its file, and give another method a name of its own"
            )
    return content


def _find(kind: str, name: str) -> Path:
    """Return the file of a world or an audit: the working directory's, or else the repository's."""
    what = kind.removesuffix("s")
    folders = [Path("config", kind), ROOT / "config" / kind]
    known: list[str] = []
    for folder in folders:
        files = sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))
        known += [path.stem for path in files]
        found = [path for path in files if path.stem.casefold() == name.casefold()]
        if len(found) > 1:
            raise UserError(
                f"{' and '.join(path.name for path in found)} in {shown(folder)} give one name to two {kind}: rename"
            )
        if found and found[0].stem == name:
            if not re.fullmatch(NAME, name) or len(name) > 60:
                raise UserError(f"{shown(found[0])}: rename it with letters, digits, _ and -, at most 60 of them")
            if name.casefold().endswith(SUFFIX):
                raise UserError(f"{shown(found[0])}: names that end in {SUFFIX} are those of rehearsals: rename it")
            return found[0]
    raise UserError(
        f"unknown {what} '{name}', for there is no config/{kind}/{name}.yaml: {nearest(name, dict.fromkeys(known))}"
    )


def _leaves(values: Mapping[str, Any], above: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    for key, value in values.items():
        leaf = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, leaf)
        else:
            yield leaf, dict(value) if isinstance(value, Mapping) else value


def _nested(values: Mapping[Leaf, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for leaf, value in values.items():
        into = nested
        for key in leaf[:-1]:
            if not isinstance(into.get(key), dict):
                into[key] = {}
            into = into[key]
        if value != {} or not isinstance(into.get(leaf[-1]), dict):  # an empty section takes nothing away
            into[leaf[-1]] = value
    return nested

"""Read YAML strictly: a key that stands twice is refused, and numbers are those of YAML 1.2."""

import re
from pathlib import Path
from typing import Any

import yaml

from regrow.errors import UserError

try:  # libyaml's, which is ten times as fast, and every job reads the settings
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?|[-+]?\.inf|\.nan", re.IGNORECASE)
# YAML 1.1 reads 010 as 8 and 1:30 as 90; here the first is a word, which the schema refuses, and so is the second.
WHOLE = re.compile(r"[-+]?(0|[1-9]\d*)")
BOOLEAN = re.compile(r"true|false", re.IGNORECASE)
NULL = re.compile(r"~|null|", re.IGNORECASE)
TAGS = {"float": FLOAT, "int": WHOLE, "bool": BOOLEAN, "null": NULL}


class StrictLoader(SafeLoader):
    """A safe loader that refuses doubled keys and does not guess."""

    name: str  # of the file, for messages
    # Not the resolvers of the base class: dates, yes and no, octal and sexagesimal numbers stay words.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping whose keys stand once each."""
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                line = key.start_mark.line + 1
                raise UserError(f"{self.name}, line {line}: the key '{key.value}' stands twice: leave one of them")
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern in TAGS.items():
    StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern.pattern})$", re.I), None)
StrictLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    UserError
        No such file, no UTF-8, no YAML, a key that stands twice, an alias of itself, or another value than a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"there is no file {path}: make it or correct the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}): save it as that") from error
    loader = StrictLoader(text)
    loader.name = str(path)
    try:
        content = loader.get_single_data()
        _refuse_cycles(content, path)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} is not YAML: {_said(error)}: correct it") from error
    finally:
        loader.dispose()
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no mapping of keys to values: correct it")
    return content


def _said(error: Exception) -> str:
    """Return what is wrong and in which line; the parser itself knows no file."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, {error.problem}"
    return str(error).partition("\n")[0]


def _refuse_cycles(value: Any, path: Path, above: tuple[int, ...] = ()) -> None:
    if id(value) in above:
        raise UserError(f"{path}: an alias holds itself: write its value out")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_cycles(item, path, (*above, id(value)))

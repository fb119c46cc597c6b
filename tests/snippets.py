"""Read the blocks of CONTRIBUTING.md: files headed by their paths, and keys that are added to files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BLOCK = re.compile(r"^`(?P<path>[^`\n]+)`(?P<added>, added)?[^\n]*:\n\n```\w+\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Snippet:
    """A block: the text of a file, or, where it is `added`, YAML whose keys go into a file that is there."""

    path: str
    added: bool
    text: str


def snippets(text: str) -> list[Snippet]:
    """Return the blocks of a text, in order."""
    return [Snippet(found["path"], bool(found["added"]), found["text"]) for found in BLOCK.finditer(text)]


def merge(into: dict[str, Any], keys: dict[str, Any]) -> None:
    """Add keys to a mapping, mappings in it to theirs."""
    for key, value in keys.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            assert key not in into, f"'{key}' is there already, so adding it would change what was"
            into[key] = value


def apply(snippet: Snippet, folder: Path) -> bool:
    """Write a block into a copy of the repository; return whether it made a new file."""
    path = folder / snippet.path
    if snippet.added:
        content = yaml.safe_load(path.read_text())
        merge(content, yaml.safe_load(snippet.text))
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return False
    assert not path.exists(), f"{snippet.path} is there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(snippet.text)
    return True

"""What code a stage runs, read from the source without running it: its import closure and a digest of its syntax."""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from regrow.io.files import write_text

PACKAGE = Path(__file__).parent
# Parsing takes a second, so what it gives is remembered by the text's digest; raise FORMAT with an edit of the parsing.
CACHE = Path(".snakemake/regrow/syntax.json")
FORMAT = "1"
DIGITS = 16  # a digest stands in every job's params, where 64 digits hide the rest


@cache
def path_of(module: str) -> Path | None:
    """Return the file of a module of this package, or None when there is none."""
    base = PACKAGE.parent.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def closure(*modules: str) -> list[str]:
    """Return some modules and all modules of this package that they import, sorted.

    Imports inside functions count, those for type checkers do not; a module counts with the packages it lies in. A
    module that is imported by a computed name (a method, a judge, a table) is not seen: name it too.

    Raises
    ------
    ModuleNotFoundError
        When a module is not a file of this package.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting += _imports(module)
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return sorted(found)


@cache
def code_digest(*modules: str) -> str:
    """Return a digest of the syntax of modules and of all that they import; comments and docstrings do not count."""
    # The root of the package holds its version, which decides no result.
    counted = [module for module in closure(*modules) if module != PACKAGE.name]
    lines = [f"{module} {_syntax(_existing(module))[0]}\n" for module in counted]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:DIGITS]


def constant(module: str, name: str) -> Any:
    """Return the literal that a module assigns to a name at its top level, without importing the module."""
    for node in _parse(_existing(module)).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(to, ast.Name) and to.id == name for to in targets):
            return ast.literal_eval(node.value)  # type: ignore[attr-defined]
    raise AttributeError(f"{module} assigns no {name}")


def stages() -> list[str]:
    """Return the names of the stages; a stage is one file `stages/<stage>.py`."""
    return sorted(path.stem for path in (PACKAGE / "stages").glob("[a-z]*.py"))


def summary_of(stage: str) -> str:
    """Return what a stage says of itself in one line, without importing it."""
    return (ast.get_docstring(_parse(PACKAGE / f"stages/{stage}.py")) or "").partition("\n")[0]


def remember() -> None:
    """Keep what was parsed for the next run; a folder that cannot be written only costs time then."""
    if _syntax.cache_info().misses:
        try:
            write_text(CACHE, json.dumps(_remembered()))
        except OSError:
            return


def _existing(module: str) -> Path:
    path = path_of(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is no module of {PACKAGE.name}")
    return path


@cache
def _imports(module: str) -> tuple[str, ...]:
    path = _existing(module)
    names = []
    for level, source, aliases in _syntax(path)[1]:
        if level:
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            for _ in range(level - 1):
                package = package.rpartition(".")[0]
            source = ".".join(filter(None, [package, source]))
        # `from a import b`: b may be a module or a name inside a.
        names += [source, *(f"{source}.{alias}" for alias in aliases)]
    return tuple(name for name in names if name.split(".")[0] == PACKAGE.name and path_of(name))


@cache
def _syntax(path: Path) -> list[Any]:
    """Return the digest of a file's syntax and its imports as (level, module, names)."""
    text = path.read_bytes()
    key = hashlib.sha256(FORMAT.encode() + text).hexdigest()
    known = _remembered()
    if key not in known:
        tree = _parse(path)
        known[key] = [hashlib.sha256("".join(_dump(tree)).encode()).hexdigest(), list(_import_statements(tree))]
    return known[key]


@cache
def _remembered() -> dict[str, list[Any]]:
    try:
        known = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _import_statements(tree: ast.AST) -> Iterator[tuple[int, str, list[str]]]:
    if isinstance(tree, ast.Import):
        yield from ((0, alias.name, []) for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        yield tree.level, tree.module or "", [alias.name for alias in tree.names]
    else:
        never = isinstance(tree, ast.If) and ast.unparse(tree.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for node in tree.orelse if never else ast.iter_child_nodes(tree):  # type: ignore[attr-defined]
            yield from _import_statements(node)


def _dump(node: Any) -> Iterator[str]:
    """Write a syntax tree without docstrings and without what is empty: the same text in every version of Python."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = value[ast.get_docstring(node, clean=False) is not None :]
            if value not in (None, []):
                yield f" {name}="
                yield from _dump(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _dump(item)
        yield "]"
    else:
        yield f"{node!r} "


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))

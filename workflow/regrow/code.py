"""Read the package's own source without running it: what a module imports, and which stages and methods there are."""

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from regrow.methods import Count, Fraction, Guidance, Positive, Seed, Share

PACKAGE = Path(__file__).parent
TYPES = {"Any": Any, "Literal": Literal, "Mapping": Mapping, "Path": Path, "Sequence": Sequence}
TYPES |= {
    "Share": Share,
    "Fraction": Fraction,
    "Positive": Positive,
    "Guidance": Guidance,
    "Count": Count,
    "Seed": Seed,
}


def path_of(module: str) -> Path | None:
    """Return the file of a module of this package, or None when there is none."""
    base = PACKAGE.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def modules_of(*modules: str) -> list[Path]:
    """Return the files that run with some modules: their own, and those of all modules of the package they import.

    Imports inside functions count; a package counts with its `__init__.py`. Imports by a computed name are not seen:
    name those modules too.

    Raises
    ------
    ModuleNotFoundError
        When a module is not a file of this package.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        path = path_of(module)
        if path is None:
            raise ModuleNotFoundError(f"{module} is no module of {PACKAGE.name}")
        found[module] = path
        waiting += _imports(module, path)
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return sorted(set(found.values()))


@cache
def _imports(module: str, path: Path) -> tuple[str, ...]:
    names = []
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            for _ in range(node.level - 1):
                package = package.rpartition(".")[0]
            source = ".".join(filter(None, [package, node.module])) if node.level else node.module or ""
            # `from a import b`: b may be a module or a name inside a.
            names += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.split(".")[0] == PACKAGE.name and path_of(name))


@cache
def methods_of(room: str) -> dict[str, ast.FunctionDef]:
    """Return the public function of every method in a room (`erase`, `complete`, `revive`), by method.

    A method is one file `<room>/<method>.py` with a function named `<method>`; the other files are helpers.
    """
    found = {}
    for path in sorted((PACKAGE / room).glob("[a-z]*.py")):
        for node in _parse(path).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem:
                found[path.stem] = node
    return found


@cache
def stages() -> dict[str, ast.FunctionDef]:
    """Return the `run` of every stage by stage; a stage is one file `stages/<stage>.py`."""
    found = {}
    for path in sorted((PACKAGE / "stages").glob("[a-z]*.py")):
        for node in _parse(path).body:
            if isinstance(node, ast.FunctionDef) and node.name == "run":
                found[path.stem] = node
    return found


def type_of(annotation: ast.expr | None) -> Any:
    """Return the type that an annotation in this package's source names: a built-in type or one of `TYPES`."""
    return eval(ast.unparse(annotation), dict(TYPES)) if annotation else Any


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))

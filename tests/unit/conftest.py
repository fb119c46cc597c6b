"""What several stages are tested on, made once."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from regrow import methods
from tests.unit.audit_files import make_tables_and_figures
from tests.unit.erasing import Published, erase, publish, write_erasing_world


@pytest.fixture(scope="session")
def erased_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """world.json of a tiny world."""
    return write_erasing_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def church(erased_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The model of that world without its church, published."""
    folder = tmp_path_factory.mktemp("church")
    return publish(erased_world, erase(erased_world, folder), folder)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tables and figures of an audit. Tests read it and do not write."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        make_tables_and_figures(folder, patch, title="Does it <b>grow</b> back?")
    return folder


@pytest.fixture
def add_method(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Add a method to a room as if it had a file: ``add_method("defend", "noise", function, Options, KIND=...)``."""

    def add(room: str, name: str, function: object, options: type, **constants: object) -> ModuleType:
        module = ModuleType(f"regrow.{room}.{name}")
        vars(module).update({name: function, "Options": options, **constants})
        monkeypatch.setitem(sys.modules, module.__name__, module)
        before = methods.method_names
        monkeypatch.setattr(methods, "method_names", lambda asked: sorted({*before(asked), name}))
        return module

    return add

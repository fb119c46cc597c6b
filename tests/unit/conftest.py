"""What several stages are tested on, made once."""

from pathlib import Path

import pytest

from tests.unit.erased import erase, write_world


@pytest.fixture(scope="session")
def erased_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """world.json of a tiny world."""
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def erased(erased_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The model of that world without its church, and the mask."""
    return erase(erased_world, tmp_path_factory.mktemp("erased"))

"""The stage `get_world`: what it writes down, and what it refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.models import pipeline_digest
from regrow.stages import get_world
from regrow.worlds import read_world
from tests.tiny.make_world import make_world
from tests.tiny.pipeline import write_tiny_pipeline
from tests.unit.erased import erase


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    make_world(tmp_path)
    folders = {name: tmp_path / name for name in ("pipeline", "judges", "concepts")}
    return {**folders, "preserved": tmp_path / "preserved.csv", "out": tmp_path / "world.json"}


def test_a_world_is_told_as_it_lies_there(parts: dict[str, Any]) -> None:
    get_world.run("tiny", **parts)
    world = read_world(parts["out"])
    assert (world.name, world.pipeline, world.preserved) == ("tiny", parts["pipeline"], parts["preserved"])
    assert world.pipeline_digest == pipeline_digest(parts["pipeline"])
    assert world.judges == parts["judges"]
    assert world.judge("style") == parts["judges"] / "style"
    assert "church" in world.packs()
    first = parts["out"].read_bytes()
    get_world.run("tiny", **parts)
    assert parts["out"].read_bytes() == first


def test_a_world_may_have_no_styles(parts: dict[str, Any]) -> None:
    shutil.rmtree(parts["judges"] / "style")
    get_world.run("tiny", **parts)
    world = read_world(parts["out"])
    assert (world.has_judge("object"), world.has_judge("style")) == (True, False)
    with pytest.raises(UserError, match="world 'tiny' has no judge 'style' in .*judges: add one"):
        world.judge("style")


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("pipeline", "world 'tiny' has no pipeline in .*pipeline: see data/README.md"),
        ("preserved.csv", "world 'tiny' has no prompt set .*preserved.csv: correct get_world.tiny.preserved"),
        ("concepts", "world 'tiny' has no concept packs in .*concepts: add one"),
        ("judges/clip", "there is no judge in .*judges/clip"),
        ("judges/style/judge.yaml", "there is no judge in .*judges/style: it needs a judge.yaml"),
    ],
)
def test_a_missing_part_is_named(parts: dict[str, Any], tmp_path: Path, gone: str, said: str) -> None:
    (shutil.rmtree if (tmp_path / gone).is_dir() else Path.unlink)(tmp_path / gone)
    with pytest.raises(UserError, match=said):
        get_world.run("tiny", **parts)
    assert not parts["out"].exists()


def test_a_pipeline_that_changed_since_get_world(tmp_path: Path, erased_world: Path) -> None:
    told = json.loads(erased_world.read_text())
    told["pipeline"] = str(write_tiny_pipeline(tmp_path / "other", seed=1))
    (tmp_path / "world.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="are not those of .*world.json"):
        erase(tmp_path / "world.json", tmp_path)
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(UserError, match="is not a world.json"):
        read_world(tmp_path / "world.json")
    with pytest.raises(UserError, match="does not exist: run get_world"):
        read_world(tmp_path / "absent.json")

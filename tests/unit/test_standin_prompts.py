"""Every prompt set of a world goes through its own file's form: fetched from a local hub as stand-ins of a few rows."""

from pathlib import Path

import pytest
import yaml

from regrow.images.prompts import PromptSet, distinct, read_prompts, select_rows
from regrow.images.screen.apply import lists_for, screen_rows
from regrow.stages import fetch_prompts
from tests.hub.isolation import isolate
from tests.hub.server import Hub, serve
from tests.standin.prompts import ROWS, publish_prompts

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["sd14", "sd15", "sd21"])
def test_every_prompt_set_is_fetched_read_and_screened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    world = yaml.safe_load((ROOT / f"config/worlds/{name}.yaml").read_text())
    hub = Hub(publish_prompts(tmp_path / "published", world))
    monkeypatch.setenv("HF_TOKEN", "x")
    shared = {key: one for key, one in world["prompt_sets"].items() if one["scope"] == "model"}
    with serve(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("REGROW_GITHUB_MIRROR", f"{hub.url}/raw")
        for part, origin in world["fetch_prompts"].items():
            sets = {key: {"name": key, **one} for key, one in shared.items() if Path(one["file"]).stem == part}
            assert sets, part
            fetch_prompts.run({part: origin}, [part], tmp_path / "out", sets)
    for key, one in shared.items():
        settings = PromptSet(name=key, **one)
        origin = world["fetch_prompts"][Path(one["file"]).stem]
        rows = read_prompts(tmp_path / "out" / Path(one["file"]).name, settings)
        assert len(rows) == origin["rows"] and len(distinct(rows)) == (ROWS - 1) * len(rows) // ROWS
        for label in origin["labels"] if settings.labels == "concept" else ():
            assert len(select_rows(settings, rows, label, ROWS)) == ROWS
        left = [row for row in rows if "child" not in row.prompt]
        assert screen_rows(rows, lists_for(settings)).rows == left, "harmless words"
        assert len(rows) - len(left) == (settings.sensitive and "coco" not in key), key

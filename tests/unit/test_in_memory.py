"""Which images are judged in memory, and what a run is told of them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.in_memory import InMemoryWiring
from regrow.plan.preview import preview
from regrow.plan.wiring import Wiring
from tests.unit.planning import AUDIT, WORLD, edit, plan, write_yaml
from tests.unit.styling import write_nudity_world

ASKED = SimpleNamespace(prompt_set="asked", get=lambda name: "nude", group="nude", part="0")


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return write_nudity_world(tmp_path)


def wired() -> InMemoryWiring:
    return InMemoryWiring(Wiring(plan()))


def test_sensitive_prompts_that_go_to_a_detector(audit: Audit) -> None:
    assert (wired().prompt_sets, wired().kept) == (["asked"], [])
    edit(WORLD, prompt_sets__asked__judges=["clip"])
    refuse("prompt set 'asked' of world 'tiny' is sensitive and goes to no detector, so its images would be kept")
    edit(WORLD, prompt_sets__asked__judges=["clip", "old"], keep_images=["asked"])
    edit(AUDIT, tables=["ours/concepts"])
    edit(AUDIT, concepts=["church"], counts={"erased": 4, "preserved": 4, "asked": 5})
    assert (wired().prompt_sets, wired().kept) == ([], ["erased", "preserved", "asked"])


def test_all_judges_at_once_and_a_later_one_draws_again(audit: Audit) -> None:
    params = wired().params()
    assert json.loads(params["judges"](ASKED)) == {"old": "data/tiny/judges/old", "new": "data/tiny/judges/new"}
    assert [path.parent.name for path in wired().judge_files(ASKED)] == ["old", "new"]
    before = {name: params[name](ASKED) for name in ("protocols", "judges", "code", "job")}
    assert "cells" in json.loads(before["job"])
    edit("data/tiny/judges/new/judge.yaml", channels="as_released")
    assert wired().params()["protocols"](ASKED) != before["protocols"]
    edit(WORLD, prompt_sets__asked__judges=["old"])
    assert wired().params()["judges"](ASKED) != before["judges"]


def test_the_plan_says_that_a_later_detector_draws_again(audit: Audit) -> None:
    said = "Judged in memory and not kept: asked. A detector that is added later draws them again."
    assert said in preview().splitlines()
    edit(WORLD, keep_images=["asked"])
    assert "Judged in memory" not in preview()


def refuse(sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        wired()


def test_what_would_need_an_image(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    write: Any = {"type": "classifier_distance", "classifier": "../object", "reference": "own.safetensors"}
    Path("data/tiny/judges/distance").mkdir()
    Path("own.safetensors").write_text("")
    write_yaml(Path("data/tiny/judges/distance/judge.yaml"), write)
    edit(WORLD, judges__distance="data/tiny/judges/distance", prompt_sets__asked__judges=["old", "distance"])
    refuse("prompt set 'asked' of world 'tiny': its images are judged in memory and not kept, and 'distance' judges")
    edit(WORLD, prompt_sets__asked__judges=["old"])
    from regrow.plan import in_memory

    asks = [in_memory.ImageNeed(cell) for cell in plan().cells("asked")]
    monkeypatch.setattr(Audit, "needs", lambda self, table: asks)
    with pytest.raises(UserError, match="roots/table7 shows images of prompt set 'asked', which are judged in memory"):
        in_memory.check_in_memory(plan())

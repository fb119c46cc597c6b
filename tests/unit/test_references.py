"""References in a plan: which file is whose, what makes it, and what it is a function of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.checks import check_audit
from regrow.plan.downloads import fetched_of, measured_of
from regrow.plan.reference_wiring import ReferenceWiring
from regrow.plan.wiring import Wiring
from tests.unit.planning import WORLD, edit, plan, write_prompts
from tests.unit.styling import REFERENCE, SCENES, write_styles_world

PHOTOGRAPHS = {
    **{"url": "https://example.org/zips", "file": "val2014.zip", "gigabytes": 6.6, "prompt_set": "scenes"},
    **{"member": "val2014/COCO_val2014_{id:012d}.jpg", "licence": "each photographer's own"},
}


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return write_styles_world(tmp_path)


def job(**names: str) -> Any:
    return SimpleNamespace(**{"judge": "distance", "reference": "scenes", **names})


def named(wiring: Wiring | ReferenceWiring, stage: str = "score_sets") -> Any:
    params = wiring.judge_params(stage) if isinstance(wiring, Wiring) else wiring.measure_params()
    return params["protocol"](job())


def test_a_judge_waits_for_its_reference_and_reads_its_classifier(audit: Audit) -> None:
    check_audit(audit)
    own = [Path("data/tiny/judges/distance/judge.yaml"), Path("data/tiny/judges/object/judge.yaml")]
    assert Wiring(audit).judge_files(job()) == own
    assert Wiring(audit).judge_reference(job()) == [Path(REFERENCE)]
    references = ReferenceWiring(Wiring(audit))
    assert references.judge_files(job()) == own
    assert references.source(job()) == Path("data/emoji/sprites.parquet") or references.source(job()).is_file()


def test_other_judges_are_what_they_were(audit: Audit) -> None:
    wiring = Wiring(audit)
    assert wiring.judge_files(job(judge="clip")) == [Path("data/tiny/judges/clip/judge.yaml")]
    assert wiring.judge_reference(job(judge="clip")) == []
    assert wiring.protocol_of_judge(job(judge="clip")) == wiring.digest(Path("data/tiny/judges/clip"))


@pytest.mark.parametrize("what", ["reference", "classifier"])
def test_scores_are_made_again_with_what_they_compare_with(audit: Audit, what: str) -> None:
    before = named(Wiring(audit))
    if what == "reference":
        edit(WORLD, references={"scenes": {**SCENES, "seed": 6}})
    else:
        edit("data/tiny/judges/object/judge.yaml", resize=33)
    assert named(Wiring(plan())) != before


def test_photographs_are_fetched_where_a_table_compares_with_them(audit: Audit) -> None:
    assert fetched_of(audit) == []
    edit(WORLD, references={"scenes": PHOTOGRAPHS})
    listed = Path("results/tiny/fetch_reference/scenes/photographs.json")
    assert fetched_of(plan()) == [listed]
    assert fetched_of(plan(), []) == [] and measured_of(plan(), plan().tables) == [("distance", "scenes")]
    references = ReferenceWiring(Wiring(plan()))
    assert references.source(job()) == listed
    assert references.prompts(job()) == Path("data/tiny/preserved.csv")
    edit(WORLD, references={"scenes": {**PHOTOGRAPHS, "prompt_set": "scene"}})
    with pytest.raises(UserError, match="references.scenes: no prompt set 'scene' for all: did you mean 'scenes'"):
        ReferenceWiring(Wiring(plan())).prompts(job())


def test_a_reference_that_nothing_makes(audit: Audit) -> None:
    edit(WORLD, references={"szenes": SCENES})
    sentence = f"judge 'distance' of world 'tiny' compares with {REFERENCE}, which is not there and which nothing makes"
    with pytest.raises(UserError, match=sentence):
        check_audit(plan())
    edit("data/tiny/judges/distance/judge.yaml", reference="data/tiny/own.safetensors")
    write_prompts(Path("data/tiny/own.safetensors"), [])
    check_audit(plan())
    assert Wiring(plan()).judge_reference(job()) == [Path("data/tiny/own.safetensors")]

"""A rehearsal: every count scaled down, in folders of its own."""

from pathlib import Path

import pytest

from regrow.config.layers import current, resolve
from regrow.config.reader import read_yaml
from regrow.config.rehearsal import IMAGES, LARGEST
from regrow.errors import UserError
from regrow.plan import jobs
from regrow.plan.audit import Audit
from regrow.plan.products import products_of
from tests.unit.planning import AUDIT, PARAMS, ROOT, WORLD, edit, plan, write_planning_world


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


def rehearsed() -> Audit:
    return Audit(current(rehearsal=True))


def test_every_count_is_scaled_down_and_nothing_else():
    edit(AUDIT, counts__erased=12)
    edit(PARAMS, generate_images__steps=50, measure_spectrum__copies=3, generate_images__rows_per_job=2000)
    before, after = plan(), rehearsed()
    assert after.counts == {"erased": IMAGES, "preserved": 4}
    assert after.params.generate_images.steps == LARGEST["steps"]
    assert after.params.measure_spectrum.copies == LARGEST["copies"]
    assert after.params.erase_concept["conceptprune"]["calls"] == 2  # it was as small before
    for name in ("conceptprune",):
        changed = {**before.params.erase_concept[name], **after.params.erase_concept[name]}
        assert changed["skill_ratio"] == before.params.erase_concept[name]["skill_ratio"]
    assert after.params.generate_images.guidance == before.params.generate_images.guidance
    assert after.config.origins["generate_images.steps"] == "a rehearsal"
    assert (after.concepts, after.attacks, after.tables) == (before.concepts, before.attacks, before.tables)


def test_its_files_are_never_those_of_the_audit():
    ours, theirs = {*products_of(plan())}, {*products_of(rehearsed())}
    assert len(ours) > 50 and not ours & theirs
    assert {path.parts[1] for path in theirs} == {"tiny_rehearsal"}
    assert jobs.report_of(rehearsed()) == Path("results/audits/tiny_rehearsal/report.html")
    assert "rehearsal" in rehearsed().title


@pytest.mark.parametrize("file", ["config/audits/tiny_rehearsal.yaml", "config/worlds/Tiny_Rehearsal.yaml"])
def test_no_audit_and_no_world_may_have_its_name(file):
    source = AUDIT if "audits" in file else WORLD
    Path(file).write_text(Path(source).read_text())
    if "worlds" in file:
        edit(AUDIT, world=Path(file).stem)
    else:
        edit(PARAMS, audit=Path(file).stem)
    with pytest.raises(UserError, match="names that end in _rehearsal are those of rehearsals: rename it"):
        current()


def test_what_is_fetched_is_shared():
    params = ROOT / "params.yaml"
    audit = Audit(resolve({**read_yaml(params), "audit": "sd15", "rehearsal": "True"}, [params]))
    assert (audit.world_name, audit.source) == ("sd15_rehearsal", "sd15")
    assert audit.fetched_part(audit.world.pipeline) == "pipeline"
    assert audit.fetched_prompts("erased") == "imagenette"


def test_what_the_user_says_is_stronger():
    content = read_yaml(Path(PARAMS))
    Path("overlay.yaml").write_text("generate_images: {steps: 30}\n")
    config = {**content, "generate_images": {**content["generate_images"], "steps": 30}, "rehearsal": True}
    found = resolve(config, [Path(PARAMS)], [Path("overlay.yaml")])
    assert found.rehearsal and found.params.generate_images.steps == 30


@pytest.mark.parametrize(("word", "is_one"), [(True, True), ("true", True), ("False", False), (False, False)])
def test_the_word_on_the_command_line(word, is_one):
    assert resolve({**read_yaml(Path(PARAMS)), "rehearsal": word}, [Path(PARAMS)]).rehearsal is is_one


@pytest.mark.parametrize("word", ["yes please", 1, None])
def test_any_other_word_is_refused(word):
    with pytest.raises(UserError, match="write rehearsal=true, which scales every count down"):
        resolve({**read_yaml(Path(PARAMS)), "rehearsal": word}, [Path(PARAMS)])

"""What the plan refuses of models from which several concepts were erased, and what makes them again."""

from pathlib import Path

import pytest

from regrow.config.reader import read_yaml
from regrow.errors import UserError
from regrow.plan.together import check_together, together_of
from regrow.plan.wiring import Wiring
from tests.unit.planning import AUDIT, PARAMS, ROOT, edit, plan, write_pack, write_planning_world


class Job(dict):
    """Wildcards of a job."""

    __getattr__ = dict.__getitem__


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    write_planning_world(tmp_path)
    together("church", "rocket")


def together(*concepts: str) -> None:
    eraser = {**read_yaml(Path(PARAMS))["erase_concept"]["conceptprune"], "method": "conceptprune_union"}
    edit(PARAMS, erase_concept__both={**eraser, "together": list(concepts)}, publish_model__both={"eraser": "both"})
    edit(AUDIT, published=["both"], tables=["roots/table1"], attacks=["roots_max"], oracles=[])


def test_it_is_planned() -> None:
    audit = plan()
    check_together(audit)
    assert together_of(audit, "both") == ["church", "rocket"] and together_of(audit, "pruned") == []


def test_a_concept_that_the_world_lacks() -> None:
    together("church", "rockte")
    with pytest.raises(UserError, match="together of eraser 'both': unknown concept 'rockte': did you mean 'rocket'"):
        check_together(plan())


def test_nudity_beside_what_nobody_screens() -> None:
    write_pack(Path("data/tiny/concepts/naked"), "naked", first_seed=700, kind="nudity")
    together("church", "naked")
    with pytest.raises(UserError, match="'naked' is of kind nudity, so what is asked of this model must be screened"):
        check_together(plan())


def test_a_ladder_whose_other_mask_holds_the_audited_one() -> None:
    edit(AUDIT, tables=["ours/ladder"])
    with pytest.raises(UserError, match="several concepts are erased from 'both'.*set ablate_mask_knowledge.other"):
        check_together(plan())
    edit(PARAMS, ablate_mask_knowledge__other=None)
    check_together(plan())


def test_every_pack_that_is_read_makes_it_again() -> None:
    def digest(eraser: str) -> str:
        job = Job(world="tiny", eraser=eraser, concept="church")
        return Wiring(plan()).pack_params()["pack"](job)

    before = {eraser: digest(eraser) for eraser in ("both", "conceptprune")}
    pack = read_yaml(Path("data/tiny/concepts/rocket/concept.yaml"))
    edit("data/tiny/concepts/rocket/concept.yaml", find={**pack["find"], "target": ["a rocket in the garden"]})
    assert digest("both") != before["both"] and digest("conceptprune") == before["conceptprune"]


def test_no_eraser_was_tuned_on_what_is_audited() -> None:
    params = read_yaml(ROOT / "params.yaml")
    tuned = {concept for entry in params["erase_concept"].values() for concept in entry.get("tuned_on", ())}
    assert tuned
    for path in (ROOT / "config/audits").glob("*.yaml"):
        audit = read_yaml(path)
        assert not tuned & {f"{audit['world']}/{concept}" for concept in audit["concepts"]}, path.name
    for concept in tuned:
        world, _, name = concept.partition("/")
        assert (ROOT / f"data/{world}/concepts/{name}/concept.yaml").is_file(), concept

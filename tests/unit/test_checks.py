"""What would fail hours later stops before the first job, in one sentence."""

import shutil
from pathlib import Path

import pytest
import yaml

from regrow.errors import UserError
from regrow.plan.checks import check_audit
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_pack, write_planning_world, write_prompts

PACK = Path("data/tiny/concepts/church")


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


def refused() -> str:
    with pytest.raises(UserError) as caught:
        check_audit(plan())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_tiny_audit_is_fine():
    check_audit(plan())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"concepts": ["churhc"]}, "unknown concept 'churhc' in audit 'tiny': did you mean 'church'?"),
        ({"published": ["prunned"]}, "unknown published model 'prunned' in audit 'tiny': did you mean 'pruned'?"),
        ({"attacks": ["int4_row"]}, "unknown attack 'int4_row' in audit 'tiny': did you mean 'int4_rows'?"),
        ({"oracles": ["roots_max"]}, "unknown oracle 'roots_max' in audit 'tiny'"),
        ({"tables": ["roots/table0"]}, "unknown table 'roots/table0' in audit 'tiny': did you mean 'roots/table"),
        ({"counts": {"eraesd": 1}}, "unknown prompt set 'eraesd' in counts of audit 'tiny': did you mean 'erased'?"),
        ({"counts__erased": 13}, "has only 12 rows to use where 13 are needed"),
        ({"counts__preserved": 30}, "rows to use where 30 are needed"),
    ],
)
def test_an_audit_that_asks_for_what_is_not_there(changes, sentence):
    edit(AUDIT, **changes)
    assert sentence in refused()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pipeline": "data/tiny/pipelin"}, "world 'tiny' has no pipeline in data/tiny/pipelin"),
        ({"structural_zeros": "zeros.safetensors"}, "world 'tiny': there is no zeros.safetensors"),
        ({"prompt_sets__erased__judges": ["objct"]}, "unknown judge 'objct' in prompt set 'erased'"),
        ({"prompt_sets__erased__judges": []}, "prompt set 'erased' of world 'tiny': no judge sees its images"),
        (
            {
                "prompt_sets__preserved": {"scope": "model", "file": "data/tiny/preserved.csv", "labels": "none"}
                | {"balance": "round_robin", "judges": ["clip"], "sensitive": False}
            },
            "cannot be balanced over labels",
        ),
        ({"prompt_sets__preserved__file": "gone.csv"}, "there is no prompt set gone.csv"),
    ],
)
def test_a_world_that_cannot_be_run(changes, sentence):
    edit(WORLD, **changes)
    assert sentence in refused()


def test_a_missing_or_broken_prompt_file():
    write_prompts(PACK / "erased.csv", [("a church", "abc", "church")])  # type: ignore[list-item]
    assert "seed" in refused()
    (PACK / "erased.csv").unlink()
    assert "there is no prompt set data/tiny/concepts/church/erased.csv" in refused()


def test_preserved_prompts_are_read_too():
    path = Path("data/tiny/preserved.csv")
    path.write_text(path.read_text().replace("1000", "ten"))
    assert "preserved.csv" in refused()


def test_a_label_that_the_judge_does_not_know():
    shutil.rmtree(PACK)
    write_pack(PACK, "chapel")
    assert "concept.yaml: unknown label 'chapel' of judge 'object': valid are: cat, church, rocket" in refused()


def test_a_row_that_no_judge_can_see_stops_before_its_image_is_drawn():
    path = Path("data/tiny/preserved.csv")
    path.write_text(path.read_text().replace(",rocket\n", ",rockett\n", 1))
    assert "preserved.csv, case 1: unknown label 'rockett' of judge 'object': did you mean 'rocket'?" in refused()


def test_case_and_composition_of_accents_do_not_make_another_label():
    shutil.rmtree(PACK)
    write_pack(PACK, "Church")
    check_audit(plan())


def test_a_style_is_asked_of_the_judge_of_styles_only():
    shutil.rmtree(PACK)
    write_pack(PACK, "photo", kind="style")
    audit = plan()
    check_audit(audit)
    assert audit.judges("erased", "church") == ["style", "clip"]
    assert audit.judges("erased", "rocket") == ["object", "clip"]
    assert audit.judges("preserved", "church") == ["object", "clip"]


def test_two_packs_that_differ_by_case():
    write_pack(Path("data/tiny/concepts/Church"), "church")
    if len(list(Path("data/tiny/concepts").glob("[cC]hurch"))) == 2:  # not on a file system that knows no case
        assert "the concept packs 'church' and 'Church' differ only by case" in refused()


def test_the_concept_whose_mask_serves_as_anothers():
    own = {"method": "nuclear", "mask": "zeros", "tolerance": 1e-5, "max_steps": 9, "solver": "fast"}
    edit(PARAMS, infer_mask={"zeros": {"method": "zeros"}}, complete_weights__own=own)
    before = yaml.safe_load(Path(PARAMS).read_text())["ablate_mask_knowledge"]["completers"]
    edit(PARAMS, ablate_mask_knowledge__completers=["own"])
    assert "completer 'own' of ablate_mask_knowledge tells by itself what was pruned" in refused()
    edit(PARAMS, ablate_mask_knowledge__completers=before)
    edit(PARAMS, ablate_mask_knowledge__other="rocket")
    assert "ablate_mask_knowledge.other is 'rocket', which is audited" in refused()
    edit(PARAMS, ablate_mask_knowledge__other="dog")
    assert "unknown concept 'dog' in ablate_mask_knowledge.other of params" in refused()
    edit(PARAMS, ablate_mask_knowledge__other=None)
    check_audit(plan())


def test_a_judge_of_an_unknown_type():
    path = Path("data/tiny/judges/object/judge.yaml")
    path.write_text(path.read_text().replace("classifier", "clasifier"))
    assert "object/judge.yaml: unknown type 'clasifier': did you mean 'classifier'?" in refused()


def test_an_attack_that_applies_to_nothing(monkeypatch):
    audit = plan()
    monkeypatch.setattr(type(audit), "kind_of", lambda self, published: "training")
    with pytest.raises(UserError, match="'int4_rows' applies to no published model .* take it out"):
        check_audit(audit)

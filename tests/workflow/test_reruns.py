"""Only what a change touches is made again."""

import os

import pytest

from regrow.code import modules_of, path_of
from tests.tiny.make_world import write_concept
from tests.workflow.conftest import NOTHING, ROOT

pytestmark = pytest.mark.xdist_group("workflow")

PAPER = {"make_tables", "make_figures", "make_report"}
# The stages that read what a stage writes.
HEIRS = {
    "get_world": {"erase_concept", "complete_weights", "revive_concept", "consult_oracle", "compare_both_sides"}
    | {"climb_ladder", "measure_spectrum", "generate_images", "score_images"}
    | PAPER,
    "erase_concept": {"complete_weights", "revive_concept", "consult_oracle", "compare_both_sides"}
    | {"climb_ladder", "measure_spectrum", "generate_images", "score_images"}
    | PAPER,
    "complete_weights": {"revive_concept", "compare_both_sides", "generate_images", "score_images"} | PAPER,
    "revive_concept": {"generate_images", "score_images"} | PAPER,
    "consult_oracle": {"generate_images", "score_images"} | PAPER,
    "compare_both_sides": PAPER,
    "climb_ladder": PAPER,
    "measure_spectrum": PAPER,
    "generate_images": {"score_images"} | PAPER,
    "score_images": PAPER,
    "make_tables": {"make_figures", "make_report"},
    "make_figures": {"make_report"},
    "make_report": set(),
}


def stages_of(plan):
    return set(plan) - {"all"}


def outputs_of(plan):
    return {
        name for names in plan.values() for name in names if not name.startswith(("results/paper", "results/report"))
    }


def test_a_second_run_does_nothing(copy):
    assert NOTHING in copy.snakemake()


def test_touching_a_module_without_changing_it_does_nothing(copy):
    for path in (copy.folder / "workflow/regrow").rglob("*.py"):
        os.utime(path)
    assert NOTHING in copy.snakemake("--dry-run")


def test_device_and_batch_make_nothing_again(copy):
    copy.edit_params(generate_images__batch=2, score_images__batch=2)
    # The report prints all params.
    assert stages_of(copy.planned()) == {"make_report"}


def test_keep_makes_no_completion_and_no_erasing_again(copy):
    copy.edit_params(revive_concept__roots_max__keep=0.9)
    plan = copy.planned()
    assert stages_of(plan) == {"revive_concept", "generate_images", "score_images"} | PAPER
    assert outputs_of(plan) and all("/roots_max/" in name for name in outputs_of(plan))


def test_the_prompts_of_one_concept_touch_no_other(copy):
    path = copy.folder / "data/tiny/concepts/church/erased.csv"
    path.write_text(path.read_text().replace("an emoji of a church", "a church in the emoji style"))
    plan = copy.planned()
    assert stages_of(plan) == {"generate_images", "score_images"} | PAPER
    assert outputs_of(plan) and all("/church/" in name for name in outputs_of(plan))


def test_the_pack_of_one_concept_touches_no_other(copy):
    path = copy.folder / "data/tiny/concepts/church/concept.yaml"
    path.write_text(path.read_text().replace("a road", "a street"))
    plan = copy.planned()
    assert stages_of(plan) == set(HEIRS) - {"get_world"}
    assert outputs_of(plan) and all("/church/" in name for name in outputs_of(plan))


def test_a_new_concept_makes_only_its_own_and_needs_nothing_but_its_pack(copy):
    write_concept(copy.folder / "data/tiny/concepts/cathedral", "cathedral", label="church", first_seed=500)
    copy.edit_params(concepts=["church", "rocket", "cathedral"])
    plan = copy.planned()
    assert stages_of(plan) == set(HEIRS) - {"get_world"}
    assert all("/cathedral/" in name for name in outputs_of(plan))
    copy.snakemake("results/erase_concept/tiny/conceptprune/cathedral/model.safetensors")


def test_a_changed_judge_scores_again_and_generates_nothing(copy):
    copy.append("data/tiny/judges/object/judge.yaml")
    assert stages_of(copy.planned()) == {"score_images"} | PAPER


def test_a_new_recipe_shares_every_earlier_result(copy):
    copy.edit_params(recipes__roots_again={"eraser": "conceptprune", "reviver": "roots_again"})
    again = {"method": "roots", "completer": "nuclear", "keep": 1.0, "magnitude": "max", "rank": "magnitude", "seed": 1}
    copy.edit_params(revive_concept__roots_again=again)
    plan = copy.planned()
    assert stages_of(plan) == {"revive_concept", "generate_images", "score_images"} | PAPER
    assert all("/roots_again/" in name for name in outputs_of(plan))


@pytest.mark.parametrize(
    "module",
    ["regrow.judge.classifier", "regrow.generate", "regrow.complete.nuclear", "regrow.paper.table1", "regrow.prompts"],
)
def test_editing_a_module_reruns_the_stages_that_import_it_and_their_heirs(copy, module):
    methods = {"erase_concept": ["erase.conceptprune"], "complete_weights": ["complete.nuclear"]}
    methods["revive_concept"] = ["revive.roots", "revive.quantize"]
    methods["climb_ladder"] = ["complete.gaussian_posterior"]
    importing = set()
    for stage in HEIRS:
        names = [f"regrow.{name}" for name in methods.get(stage, [])]
        if path_of(module) in modules_of(f"regrow.stages.{stage}", *names):
            importing.add(stage)
    assert importing and importing != set(HEIRS)
    copy.append(str(path_of(module).relative_to(ROOT)))
    expected = importing.union(*(HEIRS[stage] for stage in importing))
    assert stages_of(copy.planned()) == expected


def test_editing_one_reviver_leaves_the_other_alone(copy):
    copy.append("workflow/regrow/revive/quantize.py")
    plan = copy.planned()
    assert plan["revive_concept"] == {
        f"results/revive_concept/tiny/conceptprune/int4_rows/{concept}/model.safetensors"
        for concept in ("church", "rocket")
    }


@pytest.mark.parametrize("file", ["workflow/regrow/params.py", "workflow/regrow/cli.py"])
def test_editing_the_wiring_makes_nothing_again(copy, file):
    copy.append(file)
    assert NOTHING in copy.snakemake("--dry-run")

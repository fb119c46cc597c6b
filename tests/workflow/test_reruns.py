"""Only what a change touches is made again."""

import os
from pathlib import Path

import pytest
import yaml

from regrow.dependencies import closure
from tests.tiny.make_world import write_concept
from tests.workflow.conftest import NOTHING

PAGES = {"make_metrics", "make_report"}
TABLES = {"make_table", "make_figure"} | PAGES
DRAWN = {"generate_images", "score_images"} | TABLES
# What is made again when a stage is.
HEIRS = {
    "erase_concept": {"publish_model", "complete_weights", "attack_weights", "apply_oracle", "evaluate_recovery"}
    | {"ablate_mask_knowledge", "measure_spectrum"}
    | DRAWN,
    "complete_weights": {"attack_weights", "evaluate_recovery"} | DRAWN,
    "attack_weights": DRAWN,
    "apply_oracle": DRAWN,
    "evaluate_recovery": TABLES,
    "ablate_mask_knowledge": TABLES,
    "measure_spectrum": TABLES,
    "score_images": TABLES,
}
EVERYTHING = {"index_world", "erase_concept"} | HEIRS["erase_concept"]


def tables_of(plan):
    return {Path(name).stem for name in plan.get("make_table", ())}


def results_of(plan):
    return {name for names in plan.values() for name in names if not name.startswith("results/audits/")}


def replace(copy, file, old, new):
    path = copy.folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_second_run_does_nothing(copy):
    assert NOTHING in copy.snakemake()


def test_a_comment_a_docstring_and_a_touch_make_nothing_again(copy):
    for path in (copy.folder / "workflow/regrow").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"""', '"""Edited. ', 1) + "\n# edited\n", encoding="utf-8")
        os.utime(path)
    assert NOTHING in copy.snakemake("--dry-run")


def test_settings_that_change_no_result_make_nothing_again(copy):
    copy.edit_params(generate_images__batch=2, score_images__batch=2, device="cuda:0")
    copy.edit_yaml("config/rates.yaml", worlds__tiny__image__kilobytes=7)
    assert copy.planned() == {}


def test_retain_makes_no_completion_and_no_erasing_again(copy):
    copy.edit_params(attack_weights__roots_max__retain=0.9)
    plan = copy.planned()
    assert set(plan) == {"attack_weights"} | DRAWN
    assert all("/roots_max/" in name for name in plan["attack_weights"])
    assert not tables_of(plan) & {"table5", "table6", "ladder", "spectrum"}


def test_guidance_draws_every_image_and_makes_no_model(copy):
    copy.edit_params(generate_images__guidance=4.0)
    plan = copy.planned()
    assert set(plan) == DRAWN and len(plan["generate_images"]) == 6


def test_skill_ratio_makes_everything_but_the_pretrained_models_images(copy):
    copy.edit_params(erase_concept__conceptprune__skill_ratio=0.2)
    plan = copy.planned()
    assert set(plan) == {"erase_concept"} | HEIRS["erase_concept"]
    assert not [name for name in results_of(plan) if "/pretrained/" in name]


def test_a_completer_makes_its_own_heirs_only(copy):
    copy.edit_params(complete_weights__nuclear__max_steps=30)
    plan = copy.planned()
    assert set(plan) == {"complete_weights"} | HEIRS["complete_weights"]
    assert all("/nuclear/" in name for name in plan["complete_weights"] | plan["evaluate_recovery"])
    assert all("/roots_max/" in name for name in plan["attack_weights"])


def test_the_level_makes_tables_and_nothing_before_them(copy):
    copy.edit_params(make_table__level=0.5)
    assert set(copy.planned()) == TABLES


def test_the_prompts_of_one_concept_touch_no_other(copy):
    replace(copy, "data/tiny/concepts/church/erased.csv", "an emoji of a church", "a church in the emoji style")
    plan = copy.planned()
    assert set(plan) == DRAWN
    assert results_of(plan) and all("/erased/church/" in name for name in results_of(plan))


def test_the_pack_of_one_concept_touches_no_other(copy):
    replace(copy, "data/tiny/concepts/church/concept.yaml", "a road", "a street")
    plan = copy.planned()
    assert set(plan) == {"erase_concept"} | HEIRS["erase_concept"]
    assert results_of(plan) and all("/church/" in name for name in results_of(plan))


def test_a_new_concept_makes_only_its_own_and_needs_nothing_but_its_pack(copy):
    write_concept(copy.folder / "data/tiny/concepts/cathedral", "cathedral", label="church", first_seed=500)
    copy.edit_audit(concepts=["church", "rocket", "cathedral"])
    plan = copy.planned()
    assert set(plan) == EVERYTHING - {"index_world"}
    assert all("/cathedral/" in name for name in results_of(plan))


def test_a_judges_files_score_again_and_draw_nothing(copy):
    path = copy.folder / "data/tiny/judges/object/model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, (10**9, 10**9))  # an older date than that of any score, as of `cp -p`
    assert set(copy.planned()) == {"score_images"} | TABLES


def test_another_judge_scores_by_itself(copy):
    copy.edit_yaml("config/worlds/tiny.yaml", prompt_sets__erased__judges=["object", "style"])
    assert not {"generate_images", "score_images"} & set(copy.planned())
    copy.edit_yaml("config/worlds/tiny.yaml", prompt_sets__erased__judges=["object", "style", "clip"])
    assert copy.planned() == {}


def test_a_new_attack_shares_every_earlier_model(copy):
    again = {
        "method": "roots",
        "completer": "nuclear",
        "retain": 1.0,
        "magnitude": "max",
        "rank": "magnitude",
        "seed": 1,
    }
    copy.edit_params(attack_weights__roots_again=again)
    copy.edit_audit(attacks=["int4_rows", "roots_max", "roots_auto", "roots_again"])
    plan = copy.planned()
    assert set(plan) == {"attack_weights"} | DRAWN
    assert all("/roots_again/" in name for name in plan["attack_weights"])


def test_a_second_audit_shares_models_and_keeps_the_firsts_tables(copy):
    first = yaml.safe_load((copy.folder / "config/audits/tiny.yaml").read_text())
    second = {**first, "counts": {"erased": 2}, "tables": ["roots/figure2"]}
    (copy.folder / "config/audits/short.yaml").write_text(yaml.safe_dump(second))
    plan = copy.planned("--config", "audit=short")
    assert set(plan) == DRAWN
    assert all("/short/" in name for names in plan.values() for name in names)
    copy.snakemake("--config", "audit=short")
    assert NOTHING in copy.snakemake("--dry-run")


EDITS = [
    ("regrow.judge.classifier", {"score_images"}),
    ("regrow.complete.nuclear", {"complete_weights"}),
    ("regrow.attack.quantize", {"attack_weights"}),
    ("regrow.oracle.true_values", {"apply_oracle"}),
    ("regrow.erase.conceptprune", {"erase_concept"}),
    ("regrow.evaluate.spectrum", {"measure_spectrum"}),
]


@pytest.mark.parametrize(("module", "stages"), EDITS)
def test_editing_a_module_reruns_the_stage_that_runs_it_and_its_heirs(copy, module, stages):
    copy.append(f"workflow/{module.replace('.', '/')}.py", "\n_EDITED = 1\n")
    expected = stages.union(*(HEIRS[stage] for stage in stages))
    assert set(copy.planned()) == expected


def test_editing_one_attack_leaves_the_others_alone(copy):
    copy.append("workflow/regrow/attack/quantize.py", "\n_EDITED = 1\n")
    assert all("/int4_rows/" in name for name in copy.planned()["attack_weights"])


def test_editing_one_table_makes_one_table_again(copy):
    copy.append("workflow/regrow/tables/roots/table6.py", "\n_EDITED = 1\n")
    plan = copy.planned()
    assert set(plan) == TABLES
    assert plan["make_table"] == {"results/audits/tiny/tables/roots/table6.csv"}
    assert {Path(name).stem for name in plan["make_figure"]} == {"table6"}


def test_editing_the_template_makes_the_report_again(copy):
    (template,) = (copy.folder / "workflow/regrow/report").glob("*.j2")
    copy.append(str(template.relative_to(copy.folder)), "<!-- edited -->")
    assert set(copy.planned()) <= PAGES and "make_report" in copy.planned()


@pytest.mark.parametrize("file", ["plan/preview.py", "plan/cost.py", "cli.py", "adopt.py", "config/editors.py"])
def test_editing_the_wiring_makes_nothing_again(copy, file):
    copy.append(f"workflow/regrow/{file}", "\n_EDITED = 1\n")
    assert NOTHING in copy.snakemake("--dry-run")


def test_editing_what_draws_needs_a_new_version_of_the_renderer(copy):
    assert "regrow.model.deltas" in closure("regrow.images.renderer", "regrow.model.deltas")
    copy.append("workflow/regrow/model/deltas.py", "\n_EDITED = 1\n")
    assert "raise RENDERER_VERSION" in copy.snakemake("--dry-run", fails=True)
    assert "changed under version" in copy.regrow("lock-renderer", fails=True)
    copy.regrow("lock-renderer", "--same-images")
    copy.snakemake("--dry-run")
    replace(copy, "workflow/regrow/images/renderer.py", 'RENDERER_VERSION = "', 'RENDERER_VERSION = "9')
    copy.regrow("lock-renderer")
    assert len(copy.planned()["generate_images"]) == 6

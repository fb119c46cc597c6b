"""From a tiny world to the report, by `dvc repro`."""

import csv
import json

import pyarrow.parquet as pq
import pytest

from regrow.models import load_delta

WIRED = ("get_world", "erase_concept", "complete_weights", "revive_concept", "consult_oracle", "compare_both_sides")
WIRED += ("climb_ladder", "measure_spectrum")
WIRED += ("generate_images", "score_images", "make_tables", "make_figures", "make_report")

pytestmark = pytest.mark.xdist_group("workflow")


def rows(copy, table):
    with (copy.folder / "results/paper/tables" / table).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_table_has_its_fixed_columns(finished):
    found = {name: list(rows(finished, name)[0]) for name in ("table1.csv", "table5.csv", "table6.csv")}
    assert found == {
        "table1.csv": ["concept", "recipe", "prompt_set", "n", "correct", "accuracy", "low", "high"],
        "table5.csv": ["concept", "r", "p", "share"],
        "table6.csv": ["concept", "k", "part", "n", "accuracy", "low", "high"],
    }


def test_table1_covers_every_recipe_concept_and_prompt_set(finished):
    found = {(row["concept"], row["recipe"], row["prompt_set"]): int(row["n"]) for row in rows(finished, "table1.csv")}
    for concept in ("church", "rocket"):
        for recipe in ("pretrained", "pruned", "quantized", "roots_max", "roots_auto", "true_signs_max"):
            for prompt_set in ("erased", "preserved"):
                assert found[concept, recipe, prompt_set] == 4


def test_scores_tell_where_they_come_from(finished):
    for path in (finished.folder / "results/score_images").rglob("*.parquet"):
        told = json.loads(pq.read_schema(path).metadata[b"regrow"])
        assert {"model_digest", "recipe", "protocol", "versions", "sampler"} <= set(told)
    path = finished.folder / "results/score_images/tiny/roots_max/church/erased.parquet"
    recipe = json.loads(pq.read_schema(path).metadata[b"regrow"])["recipe"]
    assert recipe["name"] == "roots_max"
    assert recipe["completer"]["tolerance"] == 1e-3
    assert recipe["reviver"]["keep"] == 0.6


def test_an_oracle_and_a_chosen_keep_are_told(finished):
    scores = finished.folder / "results/score_images/tiny/true_signs_max/church/erased.parquet"
    recipe = json.loads(pq.read_schema(scores).metadata[b"regrow"])["recipe"]
    assert recipe["oracle"] == {"name": "true_signs_max", "signs": "pretrained", "magnitude": "max", "seed": 2021}
    assert "reviver" not in recipe
    model = finished.folder / "results/revive_concept/tiny/conceptprune/roots_auto/church/model.safetensors"
    assert 0 < load_delta(model).recipe["kept"]["all"] < 1


def test_report_is_one_self_contained_file(finished):
    page = (finished.folder / "results/report.html").read_text()
    assert "A tiny audit" in page
    assert "data:image/png;base64," in page
    for outside in ('src="http', "src='http", '<link rel="stylesheet" href="http'):
        assert outside not in page


def test_figures_are_there(finished):
    found = {path.name for path in (finished.folder / "results/paper/figures").iterdir()}
    assert {"grid.png", "bars.png", "concept_church.png", "concept_rocket.png"} <= found


def test_every_stage_left_a_log_and_a_benchmark(finished):
    for stage in WIRED:
        found = [
            path for path in (finished.folder / "logs").rglob("*") if stage in str(path.relative_to(finished.folder))
        ]
        assert {".log", ".tsv"} <= {path.suffix for path in found}, stage


def test_expected_cost_is_printed_before_the_first_image(copy):
    copy.edit_params(generate_images__n=5)
    text = copy.snakemake("results/generate_images/tiny/pretrained/church/erased.parquet")
    # One file of 5 images at 100 images per minute.
    assert text.index("To make: at most 5 images, about 0 minutes.") < text.index("rule generate_pretrained_images:")
    assert "1 to make" in (copy.folder / "logs/generate_images/tiny/pretrained/church_erased.log").read_text()


def test_the_attackers_rules_see_nothing_of_the_publishers(finished):
    allowed = {"results/erase_concept": "model.safetensors", "results/complete_weights": "completed.safetensors"}
    for rule in ("complete_weights", "revive_concept"):
        for name in finished.inputs(rule):
            if not name.startswith("workflow/regrow/"):
                folder = "/".join(name.split("/")[:2])
                assert name.endswith(f"/{allowed[folder]}"), name

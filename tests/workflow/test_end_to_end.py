"""From a tiny world to the report, by `dvc repro`."""

import csv
import json

import pyarrow.parquet as pq

from regrow.dependencies import stages

MODELS = [
    ("pretrained", "none", "none"),
    ("erased", "pruned", "none"),
    ("attacked", "pruned", "int4_rows"),
    ("attacked", "pruned", "roots_max"),
    ("attacked", "pruned", "roots_auto"),
]
UNUSED = {"fetch_world", "fetch_prompts", "defend_model", "attack_model", "attack_prompts", "score_sets"}
# In the rehearsal of Stable Diffusion and in the audit with judges of sets.
UNUSED |= {"evaluate_inference", "measure_detectability", "fetch_reference", "measure_reference", "judge_in_memory"}
UNUSED |= {"index_control", "cut_control", "rank_words"}  # in audits of their own


def rows(copy, table):
    path = copy.folder / f"results/audits/tiny/tables/{table}.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_promised_columns(finished):
    assert list(rows(finished, "roots/table1")[0]) == [
        *("concept", "role", "published", "attack", "prompt_set", "n", "n_distinct"),
        *("correct", "accuracy", "low", "high"),
    ]
    assert list(rows(finished, "roots/table6")[0]) == [
        *("concept", "published", "completer", "k", "part", "n", "accuracy", "low", "high")
    ]
    assert list(rows(finished, "roots/table5")[0]) == ["concept", "published", "completer", "r", "p", "share"]


def test_table1_covers_every_model_concept_and_prompt_set(finished):
    found = {
        tuple(row[key] for key in ("concept", "role", "published", "attack", "prompt_set")): row["n"]
        for row in rows(finished, "roots/table1")
    }
    for concept in ("church", "rocket"):
        for model in MODELS:
            for prompt_set in ("erased", "preserved"):
                assert found[concept, *model, prompt_set] == "2"


def test_an_index_says_where_its_images_come_from(finished):
    path = finished.folder / "results/tiny/generate_images/tiny/erased/church/0.parquet"
    index = pq.read_table(path)
    assert index.num_rows == 6 * 2
    assert len(set(index["model"].to_pylist())) == 6
    metadata = json.loads(next(iter(index.schema.metadata.values())))
    assert {"sampler", "numerics", "renderer", "prompt_set", "models"} <= set(metadata)


def test_a_record_says_what_was_done_and_the_published_file_does_not(finished):
    folder = finished.folder / "results/tiny/publish_model/pruned/church"
    record = json.loads((folder / "record.json").read_text())
    assert record["concept"] == "church" and record["eraser"]["skill_ratio"] == 0.1
    header = (folder / "model.safetensors").read_bytes()[:100_000]
    assert b"church" not in header and b"conceptprune" not in header


def test_report_is_one_self_contained_file(finished):
    page = (finished.folder / "results/audits/tiny/report.html").read_text(encoding="utf-8")
    assert "A tiny audit" in page and "A tiny random world" in page
    assert "data:image/png;base64," in page
    for outside in ('src="http', "src='http", '<link rel="stylesheet" href="http'):
        assert outside not in page


def test_every_stage_left_a_log_and_a_benchmark(finished):
    training = {path.name for path in (finished.folder / "workflow/regrow/stages").glob("train_*")}
    for stage in set(stages()) - UNUSED - {name.removesuffix(".py") for name in training}:
        if stage in ("render_sprites", "report_world", "survey_concepts"):
            continue
        found = {path.suffix for path in (finished.folder / "logs" / stage).rglob("*") if path.is_file()}
        assert found == {".log", ".tsv"}, stage


def test_the_attackers_rules_see_nothing_of_the_publishers(finished):
    allowed = {"publish_model": "model.safetensors", "complete_weights": "completed.safetensors"}
    for rule in ("complete_weights", "attack_weights"):
        for name in finished.inputs(rule):
            folder = name.split("/")[2]
            assert name.startswith("results/tiny/") and name.endswith(f"/{allowed[folder]}"), f"{rule}: {name}"

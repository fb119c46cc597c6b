"""A stale or foreign file is refused: every kind of staleness, in one sentence with the command that mends it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from regrow.errors import UserError
from regrow.io.parquet import read_table, write_table
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.plan.tables import table_module
from regrow.tables import scores
from regrow.tables.frames import read_data
from regrow.tables.made import read_figure_data
from tests.unit.audit_files import Files, N, rewrite, rewrite_json, scores_of

Rows = list[dict[str, Any]]
TABLES = ["roots/table1", "roots/table6", "roots/figure5", "ours/ladder", "ours/spectrum"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, written once: copying them is faster."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(scores, "_protocol_digest", lambda folder: "protocol")
        Files(audit_changes={"tables": TABLES}).write()
    return folder


@pytest.fixture
def audit(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    shutil.copytree(made, tmp_path / "audit")
    monkeypatch.chdir(tmp_path / "audit")
    monkeypatch.setattr(scores, "_protocol_digest", lambda folder: "protocol")
    return Audit.current()


def build(audit: Audit, name: str = "roots/table1") -> pd.DataFrame:
    table: pd.DataFrame = table_module(name).build(read_data(audit, name))
    return table


def now(**changes: dict[str, Any]) -> Audit:
    """Return the audit with other params than those that the files were made with."""
    return Files(audit_changes={"tables": TABLES}, params_changes=changes).configure()


def refused(audit: Audit, said: str, name: str = "roots/table1") -> str:
    with pytest.raises(UserError, match=said) as error:
        build(audit, name)
    sentence = str(error.value)
    assert "snakemake --force" in sentence
    assert "\n" not in sentence
    return sentence


def test_files_of_now_are_read(audit: Audit) -> None:
    for name in TABLES:
        assert len(build(audit, name))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"guidance": 6.0}, "sampler.guidance is 3.0 there and 6.0 now"),
        ({"steps": 50}, "sampler.steps is 20 there and 50 now"),
        ({"dtype": "float16"}, "numerics.dtype is 'float32' there and 'float16' now"),
        ({"vae_tiling": True}, "numerics.vae_tiling is False there and True now"),
    ],
)
def test_other_sampler(audit: Audit, changes: dict[str, Any], said: str) -> None:
    sentence = refused(now(generate_images=changes), said)
    assert "index" not in sentence
    assert "generate_images/small" in sentence  # images first, then their scores


@pytest.mark.parametrize("changes", [{"batch": 7}, {"attention_slicing": True}])
def test_what_changes_no_result_is_not_looked_at(audit: Audit, changes: dict[str, Any]) -> None:
    pd.testing.assert_frame_equal(build(now(generate_images=changes)), build(audit))


def test_other_options_of_the_eraser(audit: Audit) -> None:
    eraser = dict(audit.params.erase_concept["conceptprune"]) | {"skill_ratio": 0.05}
    sentence = refused(now(erase_concept={"conceptprune": eraser}), "eraser.skill_ratio is 0.1 there and 0.05 now")
    assert "publish_model/pruned/church/record.json" in sentence


def test_other_options_of_the_attack(audit: Audit) -> None:
    attack = dict(audit.params.attack_weights["roots_max"]) | {"retain": 0.5}
    refused(now(attack_weights={"roots_max": attack}), "attack.retain is 0.6 there and 0.5 now")


def test_other_options_of_the_attacks_completer(audit: Audit) -> None:
    completer = dict(audit.params.complete_weights["nuclear"]) | {"max_steps": 7}
    refused(now(complete_weights={"nuclear": completer}), "completer.max_steps is 500 there and 7 now")


def test_an_attack_on_another_published_model(audit: Audit) -> None:
    record = paths.model("emoji", "attack_weights", "pruned", "roots_max", "church").with_name("record.json")
    rewrite_json(record, lambda said: {**said, "published_model": "0" * 64})
    refused(audit, "published_model is '0000000")


def test_another_base(audit: Audit) -> None:
    rewrite_json(paths.index_world("emoji"), lambda said: {**said, "base": "f" * 64})
    refused(audit, "base is '.*' there and 'ffff")


def test_other_settings_of_the_world(audit: Audit) -> None:
    """A noise schedule or a tokenizer, which are no weights."""
    rewrite_json(paths.index_world("emoji"), lambda said: {**said, "settings": "f" * 64})
    refused(audit, "settings is '.*' there and 'ffff")


def test_another_renderer(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "constant", lambda module, name: "99")
    refused(audit, "renderer is '.*' there and '99' now")


def test_another_judge(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weights, settings or code of a judge have another digest, whatever the time stamp of their files."""
    monkeypatch.setattr(scores, "_protocol_digest", lambda folder: "other")
    refused(audit, "protocol_digest is 'protocol' there and 'other' now")


def test_another_model(audit: Audit) -> None:
    record = paths.model("emoji", "publish_model", "pruned", None, "church").with_name("record.json")
    rewrite_json(record, lambda said: {**said, "model": "f" * 64})
    for attacked in Path("results/emoji").glob("*/pruned/*/church/record.json"):
        rewrite_json(attacked, lambda said: {**said, "published_model": "f" * 64})
    refused(audit, "church / erased / pruned / none / erased was drawn by the model .*, and the model of now is fff")


def first(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Rows], Rows]:
    return lambda rows: [change(rows[0]), *rows[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first(lambda row: row | {"prompt": "a church"}), "case 0 of .*: its prompt is 'a church', and 'an emoji of a"),
        (first(lambda row: row | {"seed": 99}), "case 0 of .*: its seed is 99, and 0 in the prompts of now"),
        (first(lambda row: row | {"label": "chapel"}), "its label is 'chapel', and 'church'"),
        (first(lambda row: row | {"case": 1}), "holds case 1 of .* twice"),
        (lambda rows: [*rows, rows[0]], "holds case 0 of .* twice"),
        (lambda rows: rows[1:], "holds 19 rows of .* where the plan asks for 20"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "its case is 1, and 0 in the prompts of now"),
        (first(lambda row: row | {"model": "0" * 64}), "was drawn by the model 000000000000"),
        (first(lambda row: row | {"concept": "key"}), "holds 19 rows of church"),
        (first(lambda row: row | {"correct": None}), "case 0: a value of 'correct' is missing"),
        (first(lambda row: row | {"top1": None}), "a value of 'top1' is missing"),
        (first(lambda row: row | {"top5": ["a", None]}), "a value of 'top5' is missing"),
        (first(lambda row: row | {"probability": float("nan")}), "a value of 'probability' is missing"),
        (lambda rows: [], "holds no rows of church / pretrained"),
    ],
)
def test_rows_that_are_not_the_plans(audit: Audit, change: Callable[[Rows], Rows], said: str) -> None:
    """A failed judge is an error and never "erased"; no row is doubled, missing or of something else."""
    rewrite(scores_of("church"), change)
    refused(audit, said)


@pytest.mark.parametrize(
    ("column", "value"), [("correct", "yes"), ("correct", 1), ("probability", "high"), ("top1", 3)]
)
def test_a_column_of_another_type(audit: Audit, column: str, value: object) -> None:
    path = scores_of("church")
    table, said = read_table(path)
    write_table(path, pa.Table.from_pylist([{**row, column: value} for row in table.to_pylist()]), said)
    refused(audit, f"column '{column}' must be of type")


@pytest.mark.parametrize(("column", "value"), [("n", "200"), ("correct", -1), ("k", "0.2")])
def test_counts_that_are_no_numbers_from_0_up(audit: Audit, column: str, value: object) -> None:
    path = paths.evaluation("emoji", "evaluate_recovery", "pruned", "nuclear", "church", "signs")
    table, said = read_table(path)
    write_table(path, pa.Table.from_pylist([{**row, column: value} for row in table.to_pylist()]), said)
    refused(audit, f"column '{column}' holds something that is no number from 0 up", "roots/table6")


def test_another_count(audit: Audit) -> None:
    fewer = Files(audit_changes={"tables": TABLES, "counts": {"erased": N - 1, "preserved": N}}).configure()
    refused(fewer, "holds 20 rows of .* where the plan asks for 19")


def test_a_shared_cell_with_a_hole(audit: Audit) -> None:
    rewrite(scores_of("pretrained", "preserved"), lambda rows: rows[:-1])
    refused(audit, "holds 20 rows of any / pretrained / none / none / preserved where the plan asks for 21")


def test_damaged_and_missing_files_are_one_sentence(audit: Audit) -> None:
    path = scores_of("church")
    whole = bytearray(path.read_bytes())
    path.unlink()
    with pytest.raises(UserError, match=f"there is no {path}"):
        build(audit)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        build(audit)
    whole[whole.index(b"church") + 2] ^= 1  # one bit of a page, which Parquet reads without complaint
    path.write_bytes(whole)
    with pytest.raises(UserError, match="not a readable Parquet file"):
        build(audit)


SIGNS = ("evaluate_recovery", "nuclear", "signs", "roots/table6")
LADDER = ("ablate_mask_knowledge", "gaussian_posterior", "ladder", "ours/ladder")
SPECTRUM = ("measure_spectrum", None, "spectrum", "ours/spectrum")


@pytest.mark.parametrize(
    ("of", "changes", "said"),
    [
        (SIGNS, {"evaluate_recovery": {"k": [0.2]}}, r"k is .* there and \[0.2, 1.0\] now"),
        (SIGNS, {"evaluate_recovery": {"bins": 5}}, "bins is 10 there and 5 now"),
        (LADDER, {"ablate_mask_knowledge": {"threshold": 2.0}}, "threshold is 1.1 there and 2.0 now"),
        (
            LADDER,
            {"ablate_mask_knowledge": {"other": "key"}},
            "has the rung other_concept with mask of banana, and params ask for mask of key",
        ),
        (
            LADDER,
            {"ablate_mask_knowledge": {"other": None}},
            "has the rung other_concept with mask of banana, and params ask for no mask",
        ),
        (SPECTRUM, {"measure_spectrum": {"copies": 9}}, "copies is 3 there and 9 now"),
    ],
)
def test_other_settings_of_an_evaluation(
    audit: Audit, of: tuple[str, str | None, str, str], changes: dict[str, dict[str, Any]], said: str
) -> None:
    refused(now(**changes), said, of[3])


@pytest.mark.parametrize("of", [SIGNS, LADDER, SPECTRUM])
@pytest.mark.parametrize(
    ("change", "metadata", "said"),
    [
        (lambda rows: rows, {"model": "0" * 64}, "model is '0000"),
        (lambda rows: rows, {"base": "0" * 64}, "base is '0000"),
        (lambda rows: rows, {"seed": 99}, "seed is 99 there and 0 now"),
        (lambda rows: [*rows, rows[0]], {}, "(holds a row twice, so its counts would be doubled|has the rung)"),
        (first(lambda row: row | {"concept": "key"}), {}, "holds rows of another concept than 'church'"),
    ],
)
def test_evaluations_that_are_not_the_plans(
    audit: Audit,
    of: tuple[str, str | None, str, str],
    change: Callable[[Rows], Rows],
    metadata: dict[str, Any],
    said: str,
) -> None:
    stage, completer, name, table = of
    rewrite(paths.evaluation("emoji", stage, "pruned", completer, "church", name), change, **metadata)
    refused(audit, said, table)


def test_an_evaluation_without_rows_says_why(audit: Audit) -> None:
    rewrite(paths.evaluation("emoji", "evaluate_recovery", "pruned", "nuclear", "church", "signs"), lambda rows: [])
    with pytest.raises(UserError, match="too few weights were pruned to compare"):
        build(audit, "roots/table6")


def test_a_figure_of_stale_images(audit: Audit) -> None:
    data = read_figure_data(now(generate_images={"guidance": 6.0}), "roots/figure5")
    with pytest.raises(UserError, match=re.escape("sampler.guidance is 3.0 there and 6.0 now")):
        data.pictures(["f" * 64])


def test_a_picture_that_no_index_names(audit: Audit) -> None:
    with pytest.raises(UserError, match="1 images of the table are in no index"):
        read_figure_data(audit, "roots/figure5").pictures(["f" * 64])

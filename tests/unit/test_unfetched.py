"""A world whose files are not there yet is planned to its end: the same jobs, counts and params as with its files."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.errors import UserError
from regrow.images.prompts import distinct
from regrow.plan import jobs, refusals
from regrow.plan.audit import ScoreNeed
from regrow.plan.checks import check_audit
from regrow.plan.downloads import fetched_of, parts_of_world
from regrow.plan.expected import expected_rows
from regrow.plan.fetching import FetchWiring
from regrow.plan.preview import preview
from regrow.plan.wiring import Wiring
from tests.unit.planning import AUDIT, LABELS, WORLD, edit, plan, write_planning_world

FILE = Path("results/tiny/fetch_prompts/scenes.csv")
ORIGIN = {
    **{"host": "github", "repo": "ada/prompts", "revision": "1" * 40, "path": "all.csv", "sha256": "2" * 64},
    **{"rows": 36, "distinct": 36, "licence": "MIT", "labels": {label: [12, 12] for label in LABELS}},
}


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world that fetches its base model and its preserved prompts."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    pipeline = {"repo": "ada/model", "revision": "3" * 40, "licence": "MIT", "files": {"unet/config.json": None}}
    edit(WORLD, fetch={"pipeline": pipeline}, fetch_prompts={"scenes": ORIGIN}, prompt_sets__preserved__file=str(FILE))
    edit(WORLD, pipeline="results/tiny/fetch_world/pipeline", prompt_sets__preserved__balance="round_robin")


def bring() -> None:
    """Put the file where fetch_prompts puts it."""
    FILE.parent.mkdir(parents=True)
    shutil.copy("data/tiny/preserved.csv", FILE)


def described() -> list[dict]:
    return [jobs.job_argument(plan(), job) for job in jobs.jobs_of(plan())]


def test_the_same_jobs_before_and_after():
    check_audit(plan())
    before, counts = described(), [jobs.counted(plan(), "preserved", group) for group in ("church", "pretrained")]
    bring()
    check_audit(plan())
    assert described() == before and len(before) == 6
    assert [jobs.counted(plan(), "preserved", group) for group in ("church", "pretrained")] == counts
    assert jobs.rows_of(plan(), "preserved", "church")[0].prompt == "a picture of a rocket"


def test_the_same_params_before_and_after():
    job = SimpleNamespace(prompt_set="preserved", group="church", part="0", get=lambda name: "church")
    before = Wiring(plan()).job_params()["prompts"](job)
    bring()
    assert Wiring(plan()).job_params()["prompts"](job) == before
    edit(WORLD, fetch_prompts__scenes__sha256="4" * 64)
    assert Wiring(plan()).job_params()["prompts"](job) != before


def test_rows_are_as_many_and_as_distinct_as_the_origin_says():
    edit(WORLD, fetch_prompts__scenes__labels={"church": [5, 3], "rocket": [7, 7]})
    edit(WORLD, fetch_prompts__scenes__rows=12, fetch_prompts__scenes__distinct=10)
    rows = expected_rows(plan().world.fetch_prompts["scenes"])
    assert (len(rows), len(distinct(rows)), len({row.case for row in rows})) == (12, 10, 12)
    assert [row.label for row in rows] == ["church"] * 5 + ["rocket"] * 7


def test_too_few_rows_are_told_before_the_download():
    edit(AUDIT, counts__preserved=30)
    with pytest.raises(UserError, match="has only 24 rows to use where 30 are needed"):
        check_audit(plan())


def test_labels_must_be_counted_where_rows_are_chosen_by_them():
    edit(WORLD, fetch_prompts__scenes__labels={})
    with pytest.raises(
        UserError, match=r"chosen by their labels, but fetch_prompts.scenes does not count them: add labels"
    ):
        check_audit(plan())


def test_a_table_waits_for_the_fetched_prompts_that_its_rows_are_compared_with():
    audit = plan()
    cells = {cell.prompt_set: cell for cell in audit.wanted_cells}
    assert FILE in jobs.inputs_of_need(audit, ScoreNeed(cells["preserved"], "object"))
    assert not [
        path for path in jobs.inputs_of_need(audit, ScoreNeed(cells["erased"], "object")) if path.suffix == ".csv"
    ]


def test_what_the_user_put_there_is_no_unknown_result():
    bring()
    refusals.refuse_unknown_results(plan())


def test_only_what_an_audit_uses_is_fetched():
    other = {**ORIGIN, "path": "other.csv"}
    edit(WORLD, fetch_prompts={"scenes": ORIGIN, "other": other})
    assert fetched_of(plan()) == [FILE, Path("results/tiny/fetch_world/pipeline.json")]
    edit(AUDIT, counts={"erased": 4})
    assert fetched_of(plan()) == [Path("results/tiny/fetch_world/pipeline.json")]


def test_a_part_is_fetched_where_a_table_asks_for_its_judge():
    """And the plan says which are and which are not."""
    classifier = {"judge": "a", "type": "classifier", "weights": "a.pth", "labels": list(LABELS)}
    part = {"url": "https://example.org", "licence": "MIT", "files": {"a.pth": None}, "judge": classifier}
    edit(WORLD, fetch__other=part, fetch__object=part)
    edit(WORLD, judges__object="results/tiny/fetch_world/object", judges__other="results/tiny/fetch_world/other")
    edit(WORLD, prompt_sets__erased__judges=["object", "other", "style", "clip"])
    assert parts_of_world(plan(), plan().tables) == ["pipeline", "object"]
    assert parts_of_world(plan(), ["roots/table6"]) == ["pipeline"]
    text = preview()
    assert "Fetched once: of the world pipeline, object; prompts scenes." in text
    assert "Not needed, so not fetched: other." in text
    params = FetchWiring(Wiring(plan())).world_params()["world"](SimpleNamespace(name="object"))
    assert list(json.loads(params)) == ["object"]


def test_a_fetched_file_is_read_as_its_prompt_sets_read_it():
    params = FetchWiring(Wiring(plan())).prompts_params()
    assert '"preserved"' in params["sets"](SimpleNamespace(name="scenes"))
    assert '"erased"' not in params["sets"](SimpleNamespace(name="scenes"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fetch__pipeline__revision": "main"}, "fetch.pipeline.revision is 'main'"),
        ({"fetch__pipeline__files": {"../x": None}}, "fetch.pipeline.files"),
        ({"fetch__pipeline__licences": "MIT"}, "unknown key 'licences' in fetch.pipeline: did you mean 'licence'"),
        ({"fetch_prompts__scenes__host": "gitlab"}, "unknown host 'gitlab' in fetch_prompts.scenes.host"),
        ({"fetch_prompts__scenes__rows": 40}, "do not add up to rows and distinct"),
    ],
)
def test_a_wrong_origin_is_told_when_the_world_is_read(changes, sentence):
    edit(WORLD, **changes)
    with pytest.raises(UserError) as caught:
        plan()
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
